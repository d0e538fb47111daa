"""A file as porter reads it: decoded text for analysis, and the way back to the bytes on disk."""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property
from itertools import accumulate
from typing import Protocol

import msgspec

from porter.model import Edit, Problem


class Fragment(msgspec.Struct, frozen=True):
    """Code of another language inside a notebook: a shell line, a ``%%bash`` cell, a ``%%writefile`` body.

    ``start`` is its byte offset in ``Source.text``, where it is masked; ``text`` is what was written there.
    """

    kind: str  # as `Source.kind`: shell, native, yaml, ...
    start: int
    text: bytes


class Cell(Protocol):
    """The part of a `Source.text` that one notebook cell holds."""

    @property
    def index(self) -> int:
        """Its place among all cells of the notebook, from 0."""

    @property
    def start(self) -> int:
        """Byte offset of its first line."""


class Layout(Protocol):
    """How a file on disk differs from its text."""

    def cell_at(self, offset: int) -> Cell | None:
        """The notebook cell that holds ``offset``; None where the file has no cells."""

    def to_disk(self, source: Source, start: int, end: int, text: str) -> Edit | None:
        """See `Source.to_disk`."""

    def encode(self, text: str) -> bytes:
        """See `Source.encode`."""


class Source(msgspec.Struct, dict=True):
    """One file, or the code of one notebook.

    ``text`` is UTF-8 without byte order mark, and is what `porter.index` and the rules see. Parse it as
    ``text.decode()``: given bytes, Python would obey an encoding comment that no longer holds.
    For a notebook it is the code cells one after the other, magics masked at equal length.
    """

    path: str  # relative to the working directory, with /
    raw: bytes  # as on disk
    text: bytes
    kind: str  # python, notebook, requirements, pyproject, setup-cfg, conda, docker, shell, make, yaml, json, ...
    layout: Layout | None = None  # None: text and raw are the same bytes
    fragments: tuple[Fragment, ...] = ()
    problems: tuple[Problem, ...] = ()  # parts that could not be used: cells that are not Python

    @cached_property
    def shown(self) -> bytes:
        """``text`` with the fragments in it, which are as long as what masks them."""
        text = bytearray(self.text)
        for fragment in self.fragments:
            text[fragment.start : fragment.start + len(fragment.text)] = fragment.text
        return bytes(text)

    def kind_at(self, offset: int) -> str:
        """The kind of what stands there: that of the file, or of the fragment."""
        within = (f.kind for f in self.fragments if f.start <= offset < f.start + len(f.text))
        return next(within, self.kind)

    @cached_property
    def line_starts(self) -> list[int]:
        r"""Byte offset of every line of ``text``. Lines end at ``\n``, ``\r\n`` and ``\r``, as `ast` has them."""
        starts = list(accumulate(map(len, self.text.splitlines(keepends=True)), initial=0))
        if len(starts) > 1 and not self.text.endswith((b"\n", b"\r")):
            starts.pop()
        return starts

    @cached_property
    def newline(self) -> str:
        """How the file ends its lines, by its first line."""
        first, *_ = self.text.splitlines(keepends=True) or (b"",)
        return "\r\n" if first.endswith(b"\r\n") else "\r" if first.endswith(b"\r") else "\n"

    def line(self, offset: int) -> int:
        """The line of ``text`` that holds ``offset``, from 1. In a notebook this is not the line of the cell."""
        return bisect_right(self.line_starts, offset)

    def locate(self, offset: int) -> tuple[int, int, int | None]:
        """Line and column from 1, column in code points, and the notebook's cell; lines count within the cell."""
        line = self.line(offset)
        column = len(self.text[self.line_starts[line - 1] : offset].decode("utf-8", "replace")) + 1
        cell = self.layout.cell_at(offset) if self.layout is not None else None
        if cell is None:
            return line, column, None
        return line - self.line(cell.start) + 1, column, cell.index

    def to_disk(self, start: int, end: int, text: str) -> Edit | None:
        """Translate an edit of ``text`` into one of the file; None where the file cannot express it.

        Newlines become the file's own. The result's ``text`` is to be written with `encode`.
        """
        if self.newline != "\n" and "\n" in text:
            text = text.replace("\r\n", "\n").replace("\n", self.newline)
        if self.layout is not None:
            return self.layout.to_disk(self, start, end, text)
        return Edit(start, end, text)

    def encode(self, text: str) -> bytes:
        """The bytes on disk for the text of an `Edit` that `to_disk` made."""
        return self.layout.encode(text) if self.layout is not None else text.encode()
