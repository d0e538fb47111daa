"""Fuzz for as long as there is time: ``python -m tests.fuzz --seconds 3600 --corpus FOLDER``.

Two kinds of cases take turns: programs of the grammar, and mutations of real files (the rules' own cases, and what lies
in the corpus). What breaks porter's word is made smaller and kept in ``build/fuzz``, once for each way.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz import check, grammar, mutate

BATCH = 50  # programs of one seed
KEPT = Path("build/fuzz")
TRIES = 300  # to make a case smaller


class Case(NamedTuple):
    """One file, and how it is looked at."""

    name: str
    raw: bytes
    target: str
    annotate: bool

    def problems(self) -> list[str]:
        """What is wrong."""
        return check.problems(self.name, self.raw, self.target, annotate=self.annotate)


def programs(number: int) -> list[Case]:
    """Programs of the grammar, and notebooks of them."""
    found: list[Case] = []

    @seed(number)
    @settings(
        max_examples=BATCH,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(grammar.files, st.sampled_from(check.TARGETS), st.booleans())
    def collect(file: tuple[str, bytes], target: str, annotate: bool) -> None:
        found.append(Case(*file, target, annotate))

    collect()
    return found


def accidents(number: int, files: list[tuple[str, bytes]]) -> Iterator[Case]:
    """Mutations of files."""
    random = Random(number)
    others = [raw for _, raw in files]
    for _ in range(BATCH):
        name, raw = random.choice(files)
        yield Case(name, mutate.mutated(raw, random, others), random.choice(check.TARGETS), random.random() < 0.5)


def kind(problem: str) -> str:
    """What stays the same of a problem in another case."""
    return re.sub(r"\d+|b?['\"].*", "", problem)[:90]


def smaller(case: Case, wanted: str) -> Case:
    """The case with lines left out, for as long as it shows the same problem."""
    lines, size, tries = case.raw.splitlines(keepends=True), 2, 0
    while size <= 2 * len(lines) and tries < TRIES:
        step = max(1, len(lines) // size)
        for at in range(0, len(lines), step):
            tries += 1
            less = case._replace(raw=b"".join(lines[:at] + lines[at + step :]))
            if wanted in map(kind, less.problems()):
                lines, case, size = less.raw.splitlines(keepends=True), less, max(1, size // 2)
                break
        else:
            size *= 2
    return case


def fuzz(cases: Callable[[int], Iterator[Case]], first: int, until: float, found: Counter[str]) -> int:
    """Look at cases until the time is up. How many there were."""
    count = 0
    for number in range(first, sys.maxsize):
        for case in cases(number):
            if time.monotonic() > until:
                return count
            count += 1
            for problem in case.problems():
                found[kind(problem)] += 1
                if found[kind(problem)] == 1:
                    _keep(smaller(case, kind(problem)), problem, len(found))
    return count


def _keep(case: Case, problem: str, number: int) -> None:
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / f"{number}-{case.target}-{case.annotate}-{Path(case.name).name}").write_bytes(case.raw)
    print(f"\n{number}: {problem}\n    {case._replace(raw=case.raw[-1500:])}", flush=True)


def main() -> int:
    """Fuzz, and say what was found. The exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600, help="how long")
    parser.add_argument("--seed", type=int, default=0, help="another one, other cases")
    parser.add_argument("--corpus", type=Path, nargs="*", default=[], help="folders with real files")
    options = parser.parse_args()
    start = time.monotonic()
    files = mutate.cases() + mutate.corpus(options.corpus, Random(options.seed), 3000)
    found: Counter[str] = Counter()
    total, turn = 0, options.seed * 1_000_000
    end = start + options.seconds
    while time.monotonic() < end:
        soon = min(end, time.monotonic() + 60)
        total += fuzz(lambda number: iter(programs(number)), turn, soon, found)
        soon = min(end, time.monotonic() + 60)
        total += fuzz(lambda number: accidents(number, files), turn, soon, found)
        turn += 10_000
        spent = time.monotonic() - start
        print(f"{spent:.0f} s, {total:,} cases, {len(found)} kinds of problems", flush=True)
    for problem, count in found.most_common():
        print(f"{count:6} x {problem}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
