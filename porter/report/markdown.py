"""The scan as Markdown: for pull requests, wikis and mail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from porter.report import markup
from porter.report.page import Bar, Block, Commands, Heading, Items, Paragraph, Table
from porter.report.scan import compose
from porter.report.words import visible

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
            yield f"{'#' * block.level} {markup.text(block.text)}"
        elif isinstance(block, Paragraph):
            mark = MARKS[block.style]
            yield f"{mark}{markup.text(block.text)}{mark}"
        elif isinstance(block, Table):
            yield markup.row(column.title for column in block.columns)
            yield markup.row("---:" if column.right else "---" for column in block.columns)
            yield from (markup.row(map(markup.text, row)) for row in block.rows)
        elif isinstance(block, Items):
            for item in block.items:
                advice = f": {markup.text(item.advice)}" if item.advice else ""
                what = f"**{item.count:,} x {markup.text(item.title)}** {item.code}"
                yield f"- {what}, first at {markup.code(item.place)}{advice}"
        elif isinstance(block, Commands):
            lines = [(visible(command), purpose) for command, purpose in block.lines]
            width = max(len(command) for command, _ in lines)
            yield "```console"
            yield from (f"{command:<{width}}  # {purpose}" for command, purpose in lines)
            yield "```"
        if not isinstance(block, Bar):
            yield ""
