"""A page without a format: paragraphs, tables and commands, for a terminal or for Markdown to lay out.

Text may hold `code` in backticks; both layouts understand it.
"""

from __future__ import annotations

import msgspec

from porter.model import Verdict


class Heading(msgspec.Struct, frozen=True):
    """A line that names what follows. ``level`` 1 is the page's own title."""

    text: str
    level: int = 2


class Paragraph(msgspec.Struct, frozen=True):
    """Running text. ``style`` is one of bold, dim, or empty."""

    text: str
    style: str = ""


class Column(msgspec.Struct, frozen=True):
    """A table's column. ``extra`` ones are left out where there is little room."""

    title: str
    right: bool = False
    extra: bool = False
    verdict: Verdict | None = None  # its cells have this verdict's colour


class Table(msgspec.Struct, frozen=True):
    """Rows of cells, one per column. ``bars`` may show each row's verdicts, to one scale for all."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    bars: tuple[dict[Verdict, int], ...] = ()


class Item(msgspec.Struct, frozen=True):
    """Something that a person must look at: how often, what, where first, and what to do."""

    count: int
    code: str
    title: str
    place: str
    advice: str


class Items(msgspec.Struct, frozen=True):
    """A list of such things."""

    items: tuple[Item, ...]


class Bar(msgspec.Struct, frozen=True):
    """Shares of verdicts as one coloured line; nothing where there are no colours."""

    counts: dict[Verdict, int]


class Commands(msgspec.Struct, frozen=True):
    """Commands to run, each with what it is for."""

    lines: tuple[tuple[str, str], ...]


Block = Heading | Paragraph | Table | Items | Bar | Commands
