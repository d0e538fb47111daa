"""How results are shown: one module per format, each with a `render` that yields text.

Formats are looked up by name and imported when used, so that a run pays for the one it prints.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from porter.engine import Report
    from porter.report.view import View

CHECK_FORMATS: Mapping[str, str] = {
    "full": "porter.report.full",
    "concise": "porter.report.concise",
    "grouped": "porter.report.grouped",
    "json": "porter.report.json",
    "jsonl": "porter.report.jsonl",
    "sarif": "porter.report.sarif",
    "github": "porter.report.github",
    "gitlab": "porter.report.gitlab",
    "junit": "porter.report.junit",
    "rdjson": "porter.report.rdjson",
    "markdown": "porter.report.comment",
}
STATISTICS: Mapping[str, str] = {"statistics": "porter.report.statistics"}
SCAN_FORMATS: Mapping[str, str] = {
    "text": "porter.report.terminal",
    "json": "porter.report.scan_json",
    "markdown": "porter.report.markdown",
}


class Render(Protocol):
    """What a format is."""

    def __call__(self, report: Report, view: View) -> Iterator[str]:
        """Yield the report piece by piece, newlines included."""


def renderer(formats: Mapping[str, str], name: str) -> Render:
    """The `render` of the format ``name``. Raises KeyError if ``formats`` has none of that name."""
    render: Render = import_module(formats[name]).render
    return render
