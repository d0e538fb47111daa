"""Findings under the name of their file, in columns: for reading down a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from porter.report.paint import VERDICT_STYLES
from porter.report.words import file_name, place, visible

if TYPE_CHECKING:
    from porter.engine import Report
    from porter.report.view import View


def render(report: Report, view: View) -> Iterator[str]:
    """Yield each file's name, its findings as ``line:column CODE [*] message``, and an empty line."""
    paint = view.paint
    for path, members in groupby(report.findings, attrgetter("path")):
        findings = list(members)
        width = max(len(place(finding)) for finding in findings)
        yield f"{paint(file_name(path), 'bold')}:\n"
        for finding in findings:
            star = paint("[*]", "cyan") if finding.fix else "   "
            code = view.code(finding, "bold " + VERDICT_STYLES[finding.verdict])
            yield f"  {place(finding):<{width}}  {code} {star} {visible(finding.message)}\n"
        yield "\n"
