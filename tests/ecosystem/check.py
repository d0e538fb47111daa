"""The pinned projects on every target: ``python -m tests.ecosystem [--project NAME] [--target NAME] [--update]``

For each: recall against the ground truth (`measure.py`), the invariants (`invariants.py`), whether the names of some
rewritten files hold (`renames.py`), and whether findings and patch are those of the committed state (`state.py`). Exit
status 1 where something is broken, or the state is another: look at what has changed (`diff.py`), then commit the new
state (``--update``) with the change that made it.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import NamedTuple

from porter.catalog import load as load_catalogue
from porter.config import load as load_settings
from porter.model import TARGETS
from tests.ecosystem import state
from tests.ecosystem.download import provide
from tests.ecosystem.invariants import prove
from tests.ecosystem.measure import measure, missed_lines, numbers, table, truth_of
from tests.ecosystem.projects import Project, add_arguments, cache_folder, load
from tests.ecosystem.renames import hold


class Examined(NamedTuple):
    """What came of one project on one target."""

    project: Project
    line: state.Line
    counts: Counter[str]
    reasons: Counter[str]  # of lines that say CUDA and are no finding
    names: Counter[str]  # of rewritten files
    broken: list[str]
    missed: list[str]


class Options(NamedTuple):
    """What is the same for all projects."""

    targets: tuple[str, ...]
    renames: int  # rewritten files whose names are looked at, of each project and target
    seed: int


def examine(project: Project, tree: Path, options: Options) -> list[Examined]:
    """Scan and rewrite a project for each target."""
    truth = truth_of(tree)
    catalogue = load_catalogue()
    examined = []
    for target in options.targets:
        proof = prove(tree, load_settings(isolated=True, overrides={"target": target}))
        measurement = measure(project.name, tree, proof, truth)
        line = state.line(project.package, target, proof)
        python = [change for change in proof.changes if change.path.endswith(".py")]
        drawn = random.Random(options.seed).sample(python, min(options.renames, len(python)))
        held = [held for change in drawn if (held := hold(change, catalogue, target)) is not None]
        names = sum((result.counts for result in held), Counter({"files": len(held)}))
        broken = proof.broken + [str(broken) for result in held for broken in result.broken]
        reasons, missed = Counter(measurement.explained.values()), list(missed_lines(measurement))
        examined.append(Examined(project, line, numbers(measurement), reasons, names, broken, missed))
    return examined


def examine_all(projects: list[Project], cache: Path, options: Options, jobs: int) -> list[Examined]:
    """All projects that are there, the largest first; in the order of their names."""
    found: list[Examined] = []
    with ProcessPoolExecutor(jobs, initializer=partial(os.nice, 10)) as pool:
        there = [project for project in projects if project.tree(cache).is_dir()]
        order = sorted(there, key=lambda project: -project.size)
        waiting = {pool.submit(examine, project, project.tree(cache), options): project for project in order}
        for done, future in enumerate(as_completed(waiting), start=1):
            print(f"{done}/{len(order)} {waiting[future].name}", file=sys.stderr)
            found += future.result()
    return sorted(found, key=lambda examined: examined.line.key)


def report(examined: list[Examined], targets: tuple[str, ...], known: dict[state.Key, state.Line]) -> Iterator[str]:
    """The numbers of each target, what is broken, and what is not as committed."""
    for target in targets:
        yield f"\n{target}\n"
        chosen = [e for e in examined if e.line.target == target]
        yield from table([(e.project.name, e.counts) for e in chosen])
        for title, counted in (("explained", "reasons"), ("names of rewritten files", "names")):
            counts = sum((getattr(e, counted) for e in chosen), Counter[str]())
            yield f"\n{title}: " + ", ".join(f"{what} {n:,}" for what, n in counts.most_common())
    for title, found in (("missed", "missed"), ("broken", "broken")):
        said = [f"{e.line.package} {e.line.target}: {text}" for e in examined for text in getattr(e, found)]
        if said:
            yield f"\n{title}:"
            yield from said
    changed = [e.line for e in examined if known.get(e.line.key) != e.line]
    if changed:
        yield "\nnot as committed:"
        for line in changed:
            yield f"{' '.join(line.key)}: " + ", ".join(state.changes(known.get(line.key), line))
        yield "\n`python -m tests.ecosystem.diff` shows what has changed, `make ecosystem UPDATE=1` takes it over."


def main() -> None:
    """Examine, compare and perhaps write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--target", action="append", choices=TARGETS, help="only this target (may be repeated)")
    parser.add_argument(
        "--renames",
        type=int,
        default=12,
        metavar="N",
        help="rewritten files whose names are looked at, of each project and target",
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--update", action="store_true", help="write the state")
    parser.add_argument("-j", "--jobs", type=int, default=2)
    arguments = parser.parse_args()
    projects, cache = load(arguments.project), cache_folder(arguments.cache)
    options = Options(tuple(arguments.target or TARGETS), arguments.renames, arguments.seed)
    for failure in provide(projects, cache):
        print(f"left out: {failure}", file=sys.stderr)
    examined = examine_all(projects, cache, options, arguments.jobs)
    known = state.parse(state.PATH.read_text(encoding="utf-8")) if state.PATH.exists() else {}
    print("\n".join(report(examined, options.targets, known)))
    if arguments.update:
        state.write([e.line for e in examined], [project.package for project in load()])
        known = {e.line.key: e.line for e in examined}
    sys.exit(any(e.broken or known.get(e.line.key) != e.line for e in examined))


if __name__ == "__main__":
    main()
