"""The scan as Markdown: for pull requests, wikis and mail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from porter.report.page import Bar, Block, Commands, Heading, Items, Paragraph, Table
from porter.report.scan import compose

if TYPE_CHECKING:
    from porter.engine import Report
    from porter.report.view import View

MARKS = {"bold": "**", "dim": "_", "": ""}


def render(report: Report, view: View) -> Iterator[str]:
    """Yield the scan report in GitHub's Markdown."""
    yield "\n".join(layout(compose(report, view)))


def layout(blocks: Iterable[Block]) -> Iterator[str]:
    """Yield lines of Markdown."""
    for block in blocks:
        if isinstance(block, Heading):
            yield f"{'#' * block.level} {block.text}"
        elif isinstance(block, Paragraph):
            mark = MARKS[block.style]
            yield f"{mark}{block.text}{mark}"
        elif isinstance(block, Table):
            yield _row(column.title for column in block.columns)
            yield _row("---:" if column.right else "---" for column in block.columns)
            yield from (_row(map(_cell, row)) for row in block.rows)
        elif isinstance(block, Items):
            for item in block.items:
                advice = f": {item.advice}" if item.advice else ""
                yield f"- **{item.count:,} x {item.title}** {item.code}, first at `{item.place}`{advice}"
        elif isinstance(block, Commands):
            width = max(len(command) for command, _ in block.lines)
            yield "```console"
            yield from (f"{command:<{width}}  # {purpose}" for command, purpose in block.lines)
            yield "```"
        if not isinstance(block, Bar):
            yield ""


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
