"""The tables in the pages of the sample models, made of what porter says.

A table stands between ``<!-- table: NAME -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.examples.samples import BY_PEOPLE, EXAMPLES, Sample

KINDS = ("loss", "output", "gradient", "update")
VERIFY_COLUMNS = ("case", "precision", "on", "verdict", "loss", "outputs", "gradients", "updates")
SCAN_COLUMNS = ("auto", "review", *BY_PEOPLE, "portable")
INDEX_COLUMNS = (
    "sample",
    "uses of CUDA",
    "rewritten",
    "left to people",
    "cases",
    "passed",
    "float32 loss",
    "bfloat16 loss",
)
INDEX = EXAMPLES / "README.md"

Outcome = Mapping[str, Any]
Rows = list[list[str]]


def scan_rows(verdicts: Mapping[str, int]) -> Rows:
    """How many uses of CUDA there are, by verdict."""
    return [[str(verdicts.get(verdict, 0)) for verdict in SCAN_COLUMNS]]


def verify_rows(outcomes: Iterable[Outcome]) -> Rows:
    """A row for each case: of every kind the largest difference, and what it may be."""
    return [
        [
            outcome["case"],
            outcome["precision"],
            outcome["backend"],
            outcome["verdict"],
            *(_largest(outcome, kind) for kind in KINDS),
        ]
        for outcome in outcomes
    ]


def counted(verdicts: Mapping[str, int]) -> list[str]:
    """What the index says of porter's work on a sample: uses of CUDA, how many are rewritten, how many are left."""
    changes = {verdict: count for verdict, count in verdicts.items() if verdict != "portable"}
    by_people = sum(changes.get(verdict, 0) for verdict in BY_PEOPLE)
    total = sum(changes.values())
    return [str(total), str(total - by_people), str(by_people)]


def measured(outcomes: Sequence[Outcome]) -> list[str]:
    """What the index says of a sample's cases: how many, how many passed, and the largest difference of a loss."""
    passed = sum(outcome["verdict"] == "PASS" for outcome in outcomes)
    losses = [
        _worst([m for o in outcomes if o["precision"] == precision for m in o["measures"] if m["kind"] == "loss"])
        for precision in ("float32", "bfloat16")
    ]
    return [str(len(outcomes)), str(passed), *losses]


def read(page: Path, name: str) -> tuple[list[str], Rows]:
    """The column heads and the rows of a table. Raises LookupError if the page has no such table."""
    head, _, *rows = [_cells(line) for line in _block(page, name).group(2).strip().splitlines()] or [[], []]
    return head, rows


def write(page: Path, name: str, columns: Sequence[str], rows: Rows) -> None:
    """Put a table into a page. Raises LookupError if the page has no place for it."""
    found = _block(page, name)
    lines = [columns, ["---"] * len(columns), *rows]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    text = page.read_text(encoding="utf-8")
    page.write_text(f"{text[: found.start(2)]}{table}\n{text[found.end(2) :]}", encoding="utf-8")


def update_counts(sample: Sample) -> None:
    """Write what porter finds into the page of a sample and into the index."""
    verdicts = sample.counts()
    write(sample.folder / "README.md", "scan", SCAN_COLUMNS, scan_rows(verdicts))
    _update_index(sample, slice(1, 4), counted(verdicts))


def update_figures(sample: Sample, outcomes: Sequence[Outcome]) -> None:
    """Write what was measured into the page of a sample and into the index."""
    write(sample.folder / "README.md", "verify", VERIFY_COLUMNS, verify_rows(outcomes))
    _update_index(sample, slice(4, 8), measured(outcomes))


def _update_index(sample: Sample, columns: slice, cells: list[str]) -> None:
    link = f"[{sample.name}]({sample.name})"
    rows = {row[0]: row for row in read(INDEX, "index")[1]}
    row = rows.setdefault(link, [link] + ["-"] * (len(INDEX_COLUMNS) - 1))
    row[columns] = cells
    write(INDEX, "index", INDEX_COLUMNS, sorted(rows.values()))


def _largest(outcome: Outcome, kind: str) -> str:
    measures = [measure for measure in outcome["measures"] if measure["kind"] == kind and "maximum" in measure]
    limits = {measure["limit"] for measure in measures if measure["limit"]}
    return f"{_worst(measures)} (≤ {max(limits):g})" if limits else _worst(measures)


def _worst(measures: Sequence[Mapping[str, Any]]) -> str:
    found = [measure["maximum"] for measure in measures]
    return f"{max(found):.1e}".replace("0.0e+00", "0") if found else "-"


def _block(page: Path, name: str) -> re.Match[str]:
    pattern = rf"(<!-- table: {name} -->\n)(.*?)(<!-- end -->)"
    if found := re.search(pattern, page.read_text(encoding="utf-8"), re.DOTALL):
        return found
    raise LookupError(f"{page}: no table `{name}`")


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]
