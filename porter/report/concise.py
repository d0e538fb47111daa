"""One line per finding: what editors, grep and people in a hurry read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from porter.report.paint import VERDICT_STYLES
from porter.report.words import location, visible

if TYPE_CHECKING:
    from porter.engine import Report
    from porter.report.view import View


def render(report: Report, view: View) -> Iterator[str]:
    """Yield ``path:line:column: CODE [*] message`` for every finding; ``[*]`` where porter rewrites it."""
    paint = view.paint
    for finding in report.findings:
        star = paint("[*] ", "cyan") if finding.fix else ""
        code = view.code(finding, "bold " + VERDICT_STYLES[finding.verdict])
        yield f"{location(finding)}: {code} {star}{visible(finding.message)}\n"
