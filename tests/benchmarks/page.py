"""docs/benchmarks.md: what was measured, as tables between ``<!-- table: NAME -->`` and ``<!-- end -->``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from tests.benchmarks.contenders import REFERENCE
from tests.benchmarks.measure import Figure

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "benchmarks.md"
PLOT = DOCS / "benchmarks.svg"
MEASURED = Path(__file__).parent / "measured.json"


class Measured(msgspec.Struct):
    """All figures of one run of the benchmark, and what they were measured on."""

    machine: str
    figures: list[Figure]


def checks(measured: Measured) -> str:
    """A table for each tree, with every contender's cost and its ratio to ruff's."""
    trees = dict.fromkeys((figure.tree, figure.lines) for figure in measured.figures)
    parts = [f"Measured on {measured.machine}."]
    for name, lines in trees:
        figures = [figure for figure in measured.figures if figure.tree == name]
        parts.append(f"**{name}**: {lines:,} lines of Python\n\n" + "\n".join(table(figures)))
    return "\n\n".join(parts)


def table(figures: Sequence[Figure]) -> Iterable[str]:
    """The figures of one tree. Without the one that others are held against, there are no ratios."""
    reference = next((f.cost.seconds for f in figures if f.contender == REFERENCE and f.cost), None)
    yield "| | CPU s | of ruff | CPU s / 100,000 lines | wall s | peak MiB | findings |"
    yield "|---|--:|--:|--:|--:|--:|--:|"
    for figure in figures:
        if figure.cost is None:
            yield f"| {figure.contender} | left out: takes minutes | | | | | |"
            continue
        seconds, wall, mebibytes = figure.cost
        ratio = f"{seconds / reference:.2f}" if reference else "-"
        share = f"{1e5 * seconds / max(figure.lines, 1):.2f}"
        cells = f"{seconds:.2f} | {ratio} | {share} | {wall:.2f} | {mebibytes:.0f} | {figure.findings:,}"
        yield f"| {figure.contender} | {cells} |"


def put(text: str, name: str, content: str) -> str:
    """``text`` with ``content`` between the marks of that name. Raises LookupError where there are none."""
    found = re.search(rf"<!-- table: {re.escape(name)} -->\n(.*?)<!-- end -->", text, re.DOTALL)
    if found is None:
        raise LookupError(f"no place for {name}")
    return f"{text[: found.start(1)]}\n{content}\n\n{text[found.end(1) :]}"


def write(name: str, content: str) -> None:
    """Put a part into the page."""
    PAGE.write_text(put(PAGE.read_text(encoding="utf-8"), name, content), encoding="utf-8", newline="\n")
