"""GitLab's Code Quality report: for the widget and the changes of a merge request.

The fields are those that GitLab reads: a subset of Code Climate's, with ``severity`` required.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from porter.model import Finding, Severity, Verdict
from porter.report.stream import HOLE, stream
from porter.report.words import sentences

if TYPE_CHECKING:
    from porter.engine import Report
    from porter.report.view import View

_FAILING = {Verdict.BLOCKED: "critical", Verdict.MANUAL: "major", Verdict.UNKNOWN: "major"}
_MILD = {Severity.WARNING: "minor", Severity.NOTE: "info"}


def render(report: Report, view: View) -> Iterator[str]:
    """Yield the report as a JSON array."""
    yield from stream(HOLE, (_issue(finding, view) for finding in report.findings))


def _issue(finding: Finding, view: View) -> dict[str, object]:
    region = view.disk(finding.path).region(finding)
    return {
        "type": "issue",
        "check_name": finding.code,
        "description": f"{finding.code}: {sentences(finding)}",
        "categories": ["Compatibility"],
        "severity": _severity(finding, view),
        "fingerprint": finding.fingerprint,
        "location": {"path": view.published(finding.path), "lines": {"begin": region.line, "end": region.end_line}},
    }


def _severity(finding: Finding, view: View) -> str:
    severity = view.settings.weigh(finding)
    return _FAILING.get(finding.verdict, "minor") if severity is Severity.ERROR else _MILD[severity]
