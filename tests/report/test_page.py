"""`docs/formats.md` says what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path

from porter.engine import Report
from porter.model import Finding, Problem
from porter.report import CHECK_FORMATS, github, sarif
from porter.report.comment import LIMIT, MARK
from tests.report.sample import shown

PAGE = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")


def test_formats_are_those_of_the_page() -> None:
    table = PAGE.partition("| format | for |")[2].partition("\n\n")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == tuple(CHECK_FORMATS)


def test_limits_are_those_of_the_page() -> None:
    for limit in (
        f"| {sarif.MOST:,} results a run |",
        f"| {github.MOST} of each level a step |",
        f"| {LIMIT:,} bytes |",
    ):
        assert limit in PAGE
    assert MARK in PAGE


def test_json_has_the_fields_of_the_page(report: Report) -> None:
    [block] = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    told = json.loads(block)
    report.problems.append(Problem("a", "b"))
    real = json.loads(shown("json", report))
    assert list(real) == list(told)
    assert list(real["errors"][-1]) == list(told["errors"][0])
    assert tuple(real["findings"][0]) == Finding.__struct_fields__
