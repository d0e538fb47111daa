"""The scan as Markdown: for pull requests, wikis and mail."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from porter.report.page import Bar, Block, Commands, Heading, Items, Paragraph, Table
from porter.report.scan import compose

if TYPE_CHECKING:
    from porter.engine import Report
    from porter.report.view import View

_CODE = re.compile(r"(`[^`]*`)")
_SPECIAL = re.compile(r"[_*<|\[]")

MARKS = {"bold": "**", "dim": "_", "": ""}


def render(report: Report, view: View) -> Iterator[str]:
    """Yield the scan report in GitHub's Markdown."""
    yield "\n".join(layout(compose(report, view)))


def layout(blocks: Iterable[Block]) -> Iterator[str]:
    """Yield lines of Markdown."""
    for block in blocks:
        if isinstance(block, Heading):
            yield f"{'#' * block.level} {_escaped(block.text)}"
        elif isinstance(block, Paragraph):
            mark = MARKS[block.style]
            yield f"{mark}{_escaped(block.text)}{mark}"
        elif isinstance(block, Table):
            yield _row(column.title for column in block.columns)
            yield _row("---:" if column.right else "---" for column in block.columns)
            yield from (_row(map(_escaped, row)) for row in block.rows)
        elif isinstance(block, Items):
            for item in block.items:
                advice = f": {_escaped(item.advice)}" if item.advice else ""
                yield f"- **{item.count:,} x {_escaped(item.title)}** {item.code}, first at `{item.place}`{advice}"
        elif isinstance(block, Commands):
            width = max(len(command) for command, _ in block.lines)
            yield "```console"
            yield from (f"{command:<{width}}  # {purpose}" for command, purpose in block.lines)
            yield "```"
        if not isinstance(block, Bar):
            yield ""


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    """Text whose names keep their underscores and asterisks; `code` stays as it is."""
    return "".join(
        part if part.startswith("`") else _SPECIAL.sub(r"\\\g<0>", part)
        for part in _CODE.split(text.replace("\n", " "))
    )
