"""The contract for machines: one object, its fields in the order of `Finding`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import porter
from porter.report.stream import HOLE, stream

if TYPE_CHECKING:
    from porter.engine import Report
    from porter.report.view import View

VERSION = 1


def envelope(report: Report, view: View, **more: Any) -> dict[str, Any]:
    """What every JSON report holds; ``more`` goes between the errors and the findings, which `stream` puts in."""
    return {
        "version": VERSION,
        "porter": porter.__version__,
        "target": view.target,
        "files": report.files,
        "errors": [{"path": p.path, "line": p.line, "message": p.message} for p in report.problems],
        **more,
        "findings": HOLE,
    }


def render(report: Report, view: View) -> Iterator[str]:
    """Yield the report as one JSON object."""
    yield from stream(envelope(report, view), report.findings)
