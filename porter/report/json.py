"""The contract for machines: one object, its fields in the order of `Finding`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

import porter

if TYPE_CHECKING:
    from porter.engine import Report
    from porter.report.view import View

VERSION = 1


def envelope(report: Report, view: View, **more: Any) -> dict[str, Any]:
    """What every JSON report holds; ``more`` goes between the errors and the findings."""
    return {
        "version": VERSION,
        "porter": porter.__version__,
        "target": view.target,
        "files": report.files,
        "errors": [{"path": p.path, "line": p.line, "message": p.message} for p in report.problems],
        **more,
        "findings": report.findings,
    }


def dump(value: object) -> str:
    """``value`` as indented JSON with a final newline."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"


def render(report: Report, view: View) -> Iterator[str]:
    """Yield the report as one JSON object."""
    yield dump(envelope(report, view))
