r"""Open texts as the client has them, by line and by byte.

Lines end at ``\n``, ``\r\n`` and ``\r`` and nowhere else, as the protocol has it, and `ast`. What pygls keeps also ends
them at form feeds and the like, as `str.splitlines` does: every edit below one would miss its place.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from functools import cached_property
from itertools import accumulate

from lsprotocol import types

_MARK = "\ufeff".encode()


class Text:
    """One version of one open text, or of one cell. Its ``raw`` is UTF-8, whatever the file on disk is."""

    def __init__(self, uri: str, version: int | None, language: str, raw: bytes, encoding: str) -> None:
        """``encoding`` is what columns of the protocol count in: utf-8, utf-16 or utf-32."""
        self.uri, self.version, self.language = uri, version, language
        self.raw, self.encoding = raw, encoding

    @classmethod
    def opened(cls, item: types.TextDocumentItem, encoding: str) -> Text:
        """What the client has opened. Half a surrogate pair is no text: it becomes a question mark."""
        return cls(item.uri, item.version, item.language_id, _utf8(item.text), encoding)

    def changed(self, version: int | None, changes: Iterable[types.TextDocumentContentChangeEvent]) -> Text:
        """The text after the client's changes, one after the other."""
        text = self
        for change in changes:
            raw = _utf8(change.text)
            if isinstance(change, types.TextDocumentContentChangePartial):
                start, end = text.offset(change.range.start), text.offset(change.range.end)
                raw = text.raw[:start] + raw + text.raw[max(start, end) :]
            text = Text(self.uri, version, self.language, raw, self.encoding)
        return text

    def offset(self, position: types.Position) -> int:
        """The byte at a position; beyond the end of a line, the end of the line."""
        if position.line >= len(self._starts):
            return len(self.raw)
        start = self._starts[position.line]
        line = self._line(position.line)
        if self.encoding == "utf-8":
            return start + min(position.character, len(line))
        text, width = line.decode(errors="replace"), 2 if self.encoding == "utf-16" else 4
        codec = f"{self.encoding}-le"
        return start + len(text.encode(codec)[: width * position.character].decode(codec, "ignore").encode())

    def position(self, offset: int) -> types.Position:
        """The position of a byte."""
        line = bisect_right(self._starts, offset) - 1
        return types.Position(line, self._units(self.raw[self._starts[line] : offset].decode(errors="replace")))

    def place(self, line: int, column: int) -> types.Position:
        """The position of a line and column as findings have them: from 1, columns in code points."""
        if line > len(self._starts):
            return self.position(len(self.raw))
        before = self._line(line - 1)
        if line == 1 and before.startswith(_MARK):  # no part of what porter counts
            column += 1
        return types.Position(line - 1, self._units(before.decode(errors="replace")[: column - 1]))

    def _line(self, line: int) -> bytes:
        start, end = [*self._starts[line : line + 2], len(self.raw)][:2]
        return self.raw[start:end].rstrip(b"\r\n")

    def _units(self, text: str) -> int:
        if self.encoding == "utf-32" or text.isascii():
            return len(text)
        return len(text.encode()) if self.encoding == "utf-8" else len(text.encode("utf-16-le")) // 2

    @cached_property
    def _starts(self) -> list[int]:
        """Byte offset of every line; of the empty one behind a last newline, too."""
        lines = self.raw.splitlines(keepends=True)
        starts = list(accumulate(map(len, lines), initial=0))
        return starts if not lines or lines[-1].endswith((b"\n", b"\r")) else starts[:-1]


def _utf8(text: str) -> bytes:
    return text.encode(errors="replace")
