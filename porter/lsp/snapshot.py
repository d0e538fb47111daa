"""An open file at one moment: the bytes that the engine reads, and the way back to what the client shows.

Snapshots never change, so that another thread may work on one while the user types on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple, Protocol

from lsprotocol import types

from porter.lsp.texts import Text
from porter.model import Finding
from porter.report.disk import Disk
from porter.rewrite.patch import Change
from porter.sources.decode import decode
from porter.sources.source import Source

Edits = list[tuple[Text, types.TextEdit]]

_MARK = "\ufeff".encode()


class Snapshot(Protocol):
    """What the server can do with an open file, be it a text or a notebook."""

    @property
    def uri(self) -> str:
        """Of the file."""

    @property
    def language(self) -> str:
        """What the client calls its kind."""

    @property
    def raw(self) -> bytes:
        """What the engine is to take for the file's contents."""

    @property
    def texts(self) -> Sequence[Text]:
        """What the client shows: the file itself, or the cells."""

    def where(self, finding: Finding) -> tuple[Text, types.Range] | None:
        """Where a finding stands; None where the client does not show it."""

    def edits(self, changes: Iterable[Change]) -> Edits | None:
        """Changes of ``raw`` as the client makes them; None where it cannot."""


class File(NamedTuple):
    """A text file."""

    text: Text

    @property
    def uri(self) -> str:
        """See `Snapshot`."""
        return self.text.uri

    @property
    def language(self) -> str:
        """See `Snapshot`."""
        return self.text.language

    @property
    def raw(self) -> bytes:
        """The text as UTF-8, which a mark says where a comment says otherwise."""
        return _MARK * self._marked + self.text.raw

    @property
    def texts(self) -> Sequence[Text]:
        """See `Snapshot`."""
        return (self.text,)

    def where(self, finding: Finding) -> tuple[Text, types.Range] | None:
        """See `Snapshot`. What stands in a cell is found in the JSON that the client shows."""
        line, column, end_line, end_column = Disk(finding.path, self.raw).region(finding)
        return self.text, types.Range(self.text.place(line, column), self.text.place(end_line, end_column))

    def edits(self, changes: Iterable[Change]) -> Edits | None:
        """See `Snapshot`."""
        shift = len(_MARK) * self._marked

        def edit(change: Change) -> types.TextEdit:
            start, end = (self.text.position(offset - shift) for offset in (change.start, change.end))
            return types.TextEdit(types.Range(start, end), change.new.decode())

        return [(self.text, edit(change)) for change in changes]

    @property
    def _marked(self) -> bool:
        """Whether the file declares an encoding, which the editor has undone."""
        if b"coding" not in self.text.raw[:1000]:
            return False
        source = decode(self.text.raw, "", "python")
        return not isinstance(source, Source) or (source.layout is not None and not self.text.raw.startswith(_MARK))


class Cell(NamedTuple):
    """A cell of a notebook. One without a text is none that porter was sent: Markdown, or another language."""

    text: Text | None
    code: bool


class Notebook:
    """A notebook, whose cells are texts. To the engine it is the JSON that would be on disk."""

    def __init__(self, uri: str, cells: Sequence[Cell]) -> None:
        self.uri = uri
        self.language = "jupyter"
        self._cells = cells

    @property
    def texts(self) -> Sequence[Text]:
        """The cells with code."""
        return [cell.text for cell in self._cells if cell.text is not None]

    @property
    def raw(self) -> bytes:
        """The notebook's JSON: every cell's source as one string."""
        return b"".join(self._pieces)

    def where(self, finding: Finding) -> tuple[Text, types.Range] | None:
        """See `Snapshot`."""
        text = self._cells[finding.cell].text if finding.cell is not None else next(iter(self.texts), None)
        if text is None:
            return None
        start, end = text.place(finding.line, finding.column), text.place(finding.end_line, finding.end_column)
        return text, types.Range(start, end)

    def edits(self, changes: Iterable[Change]) -> Edits | None:
        """See `Snapshot`. A change of the JSON lies within the string of one cell."""
        spans = list(self._spans())
        made: Edits = []
        for change in changes:
            inside = next((span for span in spans if span[0] <= change.start and change.end <= span[1]), None)
            if inside is None:
                return None
            start, _, text = inside
            ends = [len(_said(self.raw[start:offset])) for offset in (change.start, change.end)]
            range_ = types.Range(*map(text.position, ends))
            made.append((text, types.TextEdit(range_, _said(change.new).decode())))
        return made

    def _spans(self) -> Iterator[tuple[int, int, Text]]:
        """Where in the JSON the inside of each cell's string is."""
        ends = accumulate(map(len, self._pieces))
        for end, piece, cell in zip(list(ends)[1::2], self._pieces[1::2], self._cells, strict=False):
            if cell.text is not None:
                yield end - len(piece), end, cell.text

    @cached_property
    def _pieces(self) -> list[bytes]:
        """The JSON, cut so that every second piece is the inside of a cell's string."""
        pieces, before = [], b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": ['
        for cell in self._cells:
            language = cell.text.language if cell.text is not None else ""
            head = {
                "cell_type": "code" if cell.code else "markdown",
                "metadata": {"vscode": {"languageId": language}} if language else {},
            }
            source = cell.text.raw.decode(errors="replace") if cell.text is not None else ""
            pieces.append(before + json.dumps(head).encode()[:-1] + b', "source": "')
            pieces.append(json.dumps(source, ensure_ascii=False)[1:-1].encode())
            before = b'"}, '
        return [*pieces, b'"}]}' if self._cells else before + b"]}"]


def _said(inside: bytes) -> bytes:
    """What the inside of a JSON string says."""
    said: str = json.loads(b'"%s"' % inside)
    return said.encode(errors="replace")
