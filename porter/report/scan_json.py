"""A scan for machines: the contract of `porter.report.json`, and the summary in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from porter.report.json import envelope
from porter.report.stream import stream
from porter.report.summary import summarise

if TYPE_CHECKING:
    from porter.engine import Report
    from porter.report.view import View


def render(report: Report, view: View) -> Iterator[str]:
    """Yield the scan as one JSON object, complete: findings that need nothing are in it too."""
    yield from stream(envelope(report, view, summary=summarise(report, view.settings.is_test)), report.findings)
