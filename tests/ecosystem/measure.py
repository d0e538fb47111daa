"""Measure porter on the pinned projects: ``python -m tests.ecosystem.measure [--project NAME] [--out DIR]``

``--tree DIR`` measures it on other code: on what no rule was made with, above all.

For every project: findings by verdict, recall against the ground truth (`truth.py`), the invariants (`invariants.py`)
and CPU seconds. A line of the truth is *found* if a finding spans it, *explained* if porter dismissed it with a
reason, else *missed*. ``--out`` also writes what a person needs to judge precision: the missed lines, and samples of
findings, dismissals and hunks with their source (`sample.py`).
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from porter.config import load as load_settings
from porter.engine import Report
from porter.model import TARGETS, Verdict
from tests.ecosystem.download import provide
from tests.ecosystem.invariants import Proof, prove
from tests.ecosystem.projects import add_arguments, cache_folder, load
from tests.ecosystem.sample import write_samples
from tests.ecosystem.truth import Mention, mentions

SUFFIXES = (".py", ".ipynb")
COUNTS = ("files", "lines", *map(str, Verdict), "truth", "found", "explained", "missed")


class Place(NamedTuple):
    """A line of code."""

    path: str
    cell: int | None
    line: int


class Measurement(NamedTuple):
    """One project's numbers."""

    name: str
    tree: Path
    proof: Proof
    truth: dict[Place, list[Mention]]
    found: set[Place]
    explained: dict[Place, str]  # -> reason

    @property
    def missed(self) -> list[Place]:
        """Lines of the truth that porter neither reports nor explains, in order."""
        return sorted(
            self.truth.keys() - self.found - self.explained.keys(), key=lambda p: (p.path, p.cell or 0, p.line)
        )


def truth_of(tree: Path) -> dict[Place, list[Mention]]:
    """What a project says of CUDA, line by line."""
    truth: dict[Place, list[Mention]] = {}
    for path in sorted(tree.rglob("*")):
        if path.suffix in SUFFIXES and path.is_file() and not path.is_symlink():
            for mention in mentions(path):
                place = Place(path.relative_to(tree).as_posix(), mention.cell, mention.line)
                truth.setdefault(place, []).append(mention)
    return truth


def measure(name: str, tree: Path, proof: Proof, truth: dict[Place, list[Mention]]) -> Measurement:
    """Compare what porter made of a project with the truth."""
    lines = set(reported(proof.report))
    found = {place for place, said in truth.items() if any(reach(place, mention) & lines for mention in said)}
    explained = {place: reason for place, reason in dismissed(proof.report) if place in truth and place not in found}
    unreadable = {problem.path for problem in proof.report.problems}
    explained |= {p: "unreadable file" for p in truth if p.path in unreadable and p not in found}
    return Measurement(name, tree, proof, truth, found, explained)


def reach(place: Place, mention: Mention) -> set[Place]:
    """The lines on which a finding accounts for a mention."""
    return {place._replace(line=line) for line in range(mention.line, mention.end + 1)}


def reported(report: Report) -> Iterator[Place]:
    """Every line that a finding spans."""
    for finding in report.findings:
        for line in range(finding.line, finding.end_line + 1):
            yield Place(finding.path, finding.cell, line)


def dismissed(report: Report) -> Iterator[tuple[Place, str]]:
    """Every line that porter dismissed, with the reason."""
    for dismissal in report.dismissed:
        for line in range(dismissal.line, dismissal.end_line + 1):
            yield Place(dismissal.path, dismissal.cell, line), dismissal.reason


def numbers(m: Measurement) -> Counter[str]:
    """What is counted of a project."""
    report = m.proof.report
    counts = Counter(str(finding.verdict) for finding in report.findings)
    counts.update(files=report.files, lines=report.lines, truth=len(m.truth), found=len(m.found))
    counts.update(explained=len(m.explained), missed=len(m.missed), broken=len(m.proof.broken))
    counts["CPU ms"] = round(1000 * m.proof.seconds)
    return counts


def table(counted: list[tuple[str, Counter[str]]]) -> Iterator[str]:
    """The numbers as a Markdown table, with a line of totals."""
    titles = ["project", *COUNTS, "recall", "broken", "CPU s"]
    yield "| " + " | ".join(titles) + " |"
    yield "|---" + "|--:" * (len(titles) - 1) + "|"
    total: Counter[str] = Counter()
    for name, counts in counted:
        total.update(counts)
        yield row(name, counts)
    if len(counted) > 1:
        yield row("all", total)


def row(name: str, counts: Counter[str]) -> str:
    """One line of the table."""
    recall = 1 - counts["missed"] / counts["truth"] if counts["truth"] else 1.0
    shown = [*(f"{counts[title]:,}" for title in COUNTS), f"{recall:.2%}", str(counts["broken"])]
    shown.append(f"{counts['CPU ms'] / 1000:.2f}")
    return f"| {name} | " + " | ".join(shown) + " |"


def missed_lines(measurement: Measurement) -> Iterator[str]:
    """The missed lines as ``path:line: kind: code``."""
    for place in measurement.missed:
        what = ", ".join(sorted({mention.what for mention in measurement.truth[place]}))
        cell = "" if place.cell is None else f"{place.cell}:"
        texts = " | ".join(mention.text for mention in measurement.truth[place])
        yield f"{measurement.name}/{place.path}:{cell}{place.line}: {what}: {texts[:160]}"


def trees(arguments: argparse.Namespace) -> Iterator[tuple[str, Path]]:
    """What is measured: name and folder."""
    if arguments.tree:
        yield from ((tree.resolve().name, tree) for tree in arguments.tree)
        return
    projects, cache = load(arguments.project), cache_folder(arguments.cache)
    for failure in provide(projects, cache):
        print(f"left out: {failure}", file=sys.stderr)
    yield from ((p.name, p.tree(cache)) for p in projects if p.tree(cache).is_dir())


def main() -> None:
    """Measure; exit status 1 where an invariant is broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--target", choices=TARGETS, default="neuron")
    parser.add_argument("--out", type=Path, help="folder for missed lines and samples")
    parser.add_argument("--sample", type=int, default=100, help="findings, and as many dismissals, to sample")
    parser.add_argument("--hunks", type=int, default=50, help="hunks to sample")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tree", type=Path, action="append", help="a folder of code, instead of the pinned projects")
    arguments = parser.parse_args()
    settings = load_settings(isolated=True, overrides={"target": arguments.target})
    measurements = []
    for name, tree in trees(arguments):
        print(f"measuring {name}", file=sys.stderr)
        measurements.append(measure(name, tree, prove(tree, settings), truth_of(tree)))
    print("\n".join(table([(m.name, numbers(m)) for m in measurements])))
    reasons = Counter(reason for m in measurements for reason in m.explained.values())
    print("\nexplained: " + ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common()))
    broken = [f"{m.name}: {complaint}" for m in measurements for complaint in m.proof.broken]
    if broken:
        print("\nbroken:\n" + "\n".join(broken))
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        missed = "\n".join(line for m in measurements for line in missed_lines(m))
        (arguments.out / "missed.txt").write_text(missed + "\n")
        proofs = [(m.name, m.tree, m.proof) for m in measurements]
        write_samples(arguments.out, proofs, arguments.sample, arguments.hunks, arguments.seed)
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
