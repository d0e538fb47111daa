"""A span of a file with one character per byte, so that positions in it are byte offsets.

The scanners work on ``str``, whose methods and patterns read better than those of ``bytes``. Decoding as Latin-1 keeps
one character per byte; what they look for is ASCII, and `readable` decodes what is shown to people.
Patterns must use ``re.ASCII``: bytes of other characters would otherwise count as blanks or letters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from porter.index.site import Site, Statement

BLANKS = " \t\r"


class Word(NamedTuple):
    """A word, value or key at ``start:end``; ``value`` has its quotes taken off."""

    value: str
    start: int
    end: int


class View:
    """The text of a file, or a part of it that has a grammar of its own (a shell line in a Dockerfile)."""

    __slots__ = ("base", "line_of", "text")

    def __init__(self, text: str, base: int, line_of: Callable[[int], int]) -> None:
        """``text`` stands at offset ``base`` of the file; ``line_of`` tells the line of an offset of the file."""
        self.text = text
        self.base = base
        self.line_of = line_of

    def cut(self, start: int, end: int, text: str | None = None) -> View:
        """The part ``start:end``, or ``text`` of the same length in its place."""
        return View(self.text[start:end] if text is None else text, self.base + start, self.line_of)

    def lines(self) -> Iterator[Word]:
        """The lines with their spans, without line ends."""
        return lines_of(self.text)

    def site(
        self,
        kind: str,
        name: str,
        start: int,
        end: int,
        *,
        role: str = "text",
        place: str | None = None,
        scope: str = "",
        statement: Statement | None = None,
        detail: str = "",
        certain: bool = True,
    ) -> Site:
        """The site at ``start:end`` of this view, in offsets of the file."""
        at = self.base + start
        return Site(
            kind=kind,
            name=readable(name),
            start=at,
            end=self.base + end,
            line=self.line_of(at),
            role=role,
            place=place,
            scope=readable(scope),
            statement=statement,
            detail=readable(detail),
            certain=certain,
        )


def lines_of(text: str) -> Iterator[Word]:
    """The lines of a text with their spans, without line ends."""
    start = 0
    for line in text.split("\n"):
        value = line.rstrip("\r")
        yield Word(value, start, start + len(value))
        start += len(line) + 1


def names(text: str) -> frozenset[str]:
    """A set of names, written one after the other."""
    return frozenset(text.split())


def readable(text: str) -> str:
    """Text of a view as people wrote it, shortened to what fits a message."""
    if len(text) > 120:
        text = text[:117] + "..."
    return text if text.isascii() else text.encode("latin-1").decode("utf-8", "replace")
