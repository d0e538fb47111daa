"""Reviewdog's Diagnostic Format: comments on the lines of a change, with the fix as a suggestion.

Its columns count bytes of UTF-8, from 1; ends are exclusive.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from porter.model import Finding, Severity
from porter.report.address import of_rule
from porter.report.disk import Disk, Place, Region
from porter.report.stream import HOLE, stream
from porter.report.words import sentences

if TYPE_CHECKING:
    from porter.engine import Report
    from porter.report.view import View

FARTHEST = 10  # lines between two edits that are suggested as one

_SEVERITIES = {Severity.ERROR: "ERROR", Severity.WARNING: "WARNING", Severity.NOTE: "INFO"}


def render(report: Report, view: View) -> Iterator[str]:
    """Yield the report as one DiagnosticResult."""
    frame = {"source": {"name": "porter"}, "diagnostics": HOLE}
    yield from stream(frame, (_diagnostic(finding, view) for finding in report.findings))


def _diagnostic(finding: Finding, view: View) -> dict[str, object]:
    disk = view.disk(finding.path)
    page = of_rule(finding.name)
    return {
        "message": sentences(finding),
        "location": {"path": view.published(finding.path), "range": _range(disk.region(finding), disk)},
        "severity": _SEVERITIES[view.settings.weigh(finding)],
        "code": {"value": finding.code, "url": page} if page else {"value": finding.code},
        "suggestions": list(_suggestions(finding, disk)),
    }


def _suggestions(finding: Finding, disk: Disk) -> Iterator[dict[str, object]]:
    """The fix as one suggestion: each is taken by itself. None where its edits are far apart."""
    if finding.fix is None or not disk.raw:
        return
    edits = sorted(finding.fix.edits)
    start, end = edits[0].start, max(edit.end for edit in edits)
    if disk.raw.count(b"\n", start, end) > FARTHEST:
        return
    text, at = "", start
    for edit in edits:
        text += disk.text(at, edit.start) + edit.text
        at = edit.end
    yield {"range": _range(disk.span(start, end), disk), "text": text}


def _range(region: Region, disk: Disk) -> dict[str, object]:
    start, end = Place(*region[:2]), Place(*region[2:])
    return {
        "start": {"line": start.line, "column": disk.octets(start)},
        "end": {"line": end.line, "column": disk.octets(end)},
    }
