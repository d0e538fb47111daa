"""The scan for a terminal, wide or narrow, and for a pipe: tables by rich, colours only where wanted."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from porter.model import Verdict
from porter.report.page import Bar, Block, Column, Heading, Items, Paragraph, Table
from porter.report.paint import VERDICT_STYLES
from porter.report.scan import compose
from porter.report.words import visible

if TYPE_CHECKING:
    from porter.engine import Report
    from porter.report.view import View

NARROW = 90  # below this many columns, a table's extra columns are left out
WIDEST = 120  # long lines are hard to read
LONGEST_BAR = 72
ROW_BAR = 20
_CODE = re.compile(r"`[^`]+`")
_VERDICT_BY_NAME = {str(verdict): style for verdict, style in VERDICT_STYLES.items()}


def render(report: Report, view: View) -> Iterator[str]:
    """Yield the scan report as text."""
    yield layout(compose(report, view), width=min(view.width, WIDEST), color=view.paint.enabled)


def layout(blocks: Iterable[Block], *, width: int, color: bool) -> str:
    """Lay blocks out in ``width`` columns."""
    console = Console(
        file=io.StringIO(),
        width=width,
        height=100,  # of no meaning, but without it a dumb terminal would have 80 columns
        force_terminal=color,
        color_system="standard" if color else None,
        legacy_windows=False,
        highlight=False,
        emoji=False,
        markup=False,
    )
    with console.capture() as capture:
        for block in blocks:
            _print(console, block)
    return "\n".join(line.rstrip() for line in capture.get().splitlines()).rstrip() + "\n"


def _print(console: Console, block: Block) -> None:
    """Print a block and, but for headings, an empty line."""
    if isinstance(block, Heading):
        console.print(Text(visible(block.text), style="bold" if block.level == 1 else "bold underline"))
        return
    if isinstance(block, Paragraph):
        console.print(_text(block.text, block.style))
    elif isinstance(block, Bar):
        if not console.color_system:
            return
        console.print(_bar(block.counts, min(console.width, LONGEST_BAR)))
    elif isinstance(block, Table):
        console.print(_table(block, console))
    elif isinstance(block, Items):
        console.print(_items(block))
    else:
        lines = [(visible(command), purpose) for command, purpose in block.lines]
        width = max(len(command) for command, _ in lines)
        for command, purpose in lines:
            line = Text.assemble(f"  {command:<{width}}", (f"  # {purpose}", "dim"))
            console.print(line if len(line) <= console.width else f"  {command}", soft_wrap=True)
    console.print()


def _table(block: Table, console: Console) -> RichTable:
    kept = [i for i, column in enumerate(block.columns) if console.width >= NARROW or not column.extra]
    bars = block.bars if console.color_system and console.width >= NARROW else ()
    table = RichTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for column in (block.columns[i] for i in kept):
        table.add_column(
            column.title,
            justify="right" if column.right else "left",
            no_wrap=column.right,
            overflow="fold",
            style=VERDICT_STYLES[column.verdict] if column.verdict else "",
        )
    if bars:
        table.add_column("")
    most = max((sum(counts.values()) for counts in bars), default=1)
    for number, row in enumerate(block.rows):
        cells = [_cell(row[i], block.columns[i]) for i in kept]
        if bars:
            cells.append(_bar(bars[number], ROW_BAR * sum(bars[number].values()) // most))
        table.add_row(*cells)
    return table


def _items(block: Items) -> RichTable:
    grid = RichTable.grid(padding=(0, 2, 0, 0))
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(overflow="fold")
    for item in block.items:
        body = Text.assemble((visible(item.title), "bold"), (f"  {visible(item.place)}", "dim"))
        if item.advice:
            body.append("\n").append_text(_text(item.advice))
        grid.add_row(f"{item.count:,}", item.code, body)
    return grid


def _cell(text: str, column: Column) -> Text:
    if column.title == "Verdict":
        return Text(text, style=_VERDICT_BY_NAME.get(text, "bold"))
    return Text(text, style="dim") if text == "-" else _text(text)


def _text(text: str, style: str = "") -> Text:
    """Text with `code` picked out, unless all of it is dim."""
    styled = Text(visible(text), style=style)
    if style != "dim":
        styled.highlight_regex(_CODE, "cyan")
    return styled


def _bar(counts: dict[Verdict, int], width: int) -> Text:
    """A line of ``width`` columns, divided by the verdicts' shares; no verdict vanishes."""
    whole = sum(counts.values())
    bar = Text()
    for verdict, count in counts.items():
        bar.append("━" * max(round(width * count / whole), 1), style=VERDICT_STYLES[verdict])
    return bar
