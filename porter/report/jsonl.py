"""One finding a line, each an object of the JSON contract: for `jq`, logs and tools that read as they go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from porter.engine import Report
    from porter.report.view import View


def render(report: Report, view: View) -> Iterator[str]:
    """Yield a line per finding; nothing where there is none."""
    for finding in report.findings:
        yield msgspec.json.encode(finding).decode() + "\n"
