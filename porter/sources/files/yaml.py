"""Scalars of YAML with their keys and positions: nested mappings and lists, flow style, quotes, block scalars."""

from __future__ import annotations

import re
from collections.abc import Iterator

from porter.sources.files.tree import NO_KEY, Item, Path, below, flow, unquoted
from porter.sources.files.view import BLANKS, Word

_COLON = re.compile(r":(?=[ \t\r]|$)", re.ASCII)
_COMMENT = re.compile(r"(?:^|(?<=[ \t]))#", re.ASCII)
_STRING = re.compile(r""""(?:\\.|[^"\\])*"|'(?:''|[^'])*'""", re.ASCII | re.DOTALL)
_PROPERTY = re.compile(r"(?:[&!][^\s]*[ \t]*)+", re.ASCII)  # anchor or tag
_BLOCK = re.compile(r"[|>][-+0-9]*[ \t\r]*(?:#.*)?$", re.ASCII)
_DASH = re.compile(r"(?:-[ \t]+)+|-$", re.ASCII)


def read_yaml(text: str) -> Iterator[Item]:
    """Scalars of a YAML file, in order."""
    reader = _Reader(text)
    while reader.at < len(text):
        yield from reader.line()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0  # start of the next line
        self.keys: list[tuple[int, Path, Word]] = []  # open mappings: column of the key, path, key

    def line(self) -> Iterator[Item]:
        """Scalars that begin on the next line; moves on behind them."""
        begin = self.at
        end = self.line_end(begin)
        self.at = min(end + 1, len(self.text))
        line = self.text[begin:end].rstrip(BLANKS)
        body = line.lstrip(BLANKS)
        if not body or body[0] in "#%" or body in ("---", "..."):
            return
        column = owner = len(line) - len(body)
        if dash := _DASH.match(body):
            self.close(column + 1)  # a list may stand in the column of its key
            column += dash.end()
        else:
            self.close(column)
        path, key = self.keys[-1][1:] if self.keys else ((), NO_KEY)
        start, end = begin + column, begin + len(line)
        if found := self.key(start, end):
            key, start = found
            path, owner = below(path, key.value), column
            self.keys.append((column, path, key))
        yield from self.value(start, end, path, key, owner)

    def close(self, column: int) -> None:
        """Leave the mappings whose keys stand at ``column`` or to the right of it."""
        while self.keys and self.keys[-1][0] >= column:
            self.keys.pop()

    def line_end(self, at: int) -> int:
        end = self.text.find("\n", at)
        return len(self.text) if end < 0 else end

    def key(self, start: int, end: int) -> tuple[Word, int] | None:
        """The key at ``start``, and where its value starts; None where a scalar stands there."""
        text = self.text
        if text[start : start + 1] in ("{", "["):
            return None
        after = start
        if text[start : start + 1] in ('"', "'"):
            string = _STRING.match(text, start, end)
            if string is None:
                return None
            after = string.end()
        colon = _COLON.search(text, after, end)
        if colon is None or (after > start and text[after : colon.start()].strip(BLANKS)):
            return None
        comment = _COMMENT.search(text, after, colon.start())
        return None if comment else (unquoted(text, start, colon.start()), colon.end())

    def value(self, start: int, end: int, path: Path, key: Word, column: int) -> Iterator[Item]:
        """The scalars at ``start``, on a line that ends at ``end``, under a key or dash at ``column``."""
        text = self.text
        while start < end and text[start] in BLANKS:
            start += 1
        if tag := _PROPERTY.match(text, start, end):
            start = tag.end()
        if start >= end or text[start] in "#*":
            return
        if _BLOCK.match(text, start, end):
            begin, self.at = self.at, self.block_end(column)
            yield Item(path, text[begin : self.at], begin, self.at, key, block=True)
        elif text[start] in "{[":
            yield from self.collection(start, path, key, column)
        elif text[start] in "\"'" and (string := self.string(start, end, column)):
            word = unquoted(text, start, string.end())
            yield Item(path, word.value, word.start, word.end, key)
            self.at = max(self.at, self.line_end(string.end()) + 1)
        else:
            comment = _COMMENT.search(text, start + 1, end)
            word = unquoted(text, start, comment.start() if comment else end)
            yield Item(path, word.value, word.start, word.end, key)

    def string(self, start: int, end: int, column: int) -> re.Match[str] | None:
        """The quoted scalar at ``start``, which may go on over lines that are indented deeper."""
        return _STRING.match(self.text, start, end) or _STRING.match(self.text, start, self.block_end(column))

    def collection(self, start: int, path: Path, key: Word, column: int) -> Iterator[Item]:
        """A flow collection, which ends at its bracket, or else before the next line that is indented no deeper."""
        end = self.block_end(column, closing="]}")
        stop = yield from flow(self.text, start, end, path, key)
        self.at = max(self.at, self.line_end(stop) + 1)

    def block_end(self, column: int, closing: str = "") -> int:
        """Where the lines end, from the next one on, that are blank or indented deeper than ``column``."""
        at = end = self.at
        while at < len(self.text):
            stop = self.line_end(at)
            line = self.text[at:stop]
            body = line.strip(BLANKS)
            if body and len(line) - len(line.lstrip(BLANKS)) <= column and body[0] not in (closing or "\n"):
                break
            at = stop + 1
            if body:
                end = min(at, len(self.text))
        return end
