"""Pieces of source for reports: the lines around a finding, and what its fix does to them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import takewhile
from unicodedata import combining, east_asian_width

import msgspec

from porter.model import Edit, Finding
from porter.report.words import LOG_COMMAND
from porter.sources.decode import decode
from porter.sources.source import Source

TAB = "    "
_NEWLINE = re.compile(r"\r\n|\r|\n")


class Change(msgspec.Struct, frozen=True):
    """Neighbouring lines that a fix replaces. ``line`` counts from 1, in the cell for notebooks."""

    line: int
    before: tuple[str, ...]
    after: tuple[str, ...]


class Excerpts:
    """One file, for quoting from it. Never fails: what cannot be read or decoded has no lines."""

    def __init__(self, path: str, raw: bytes) -> None:
        self.path = path
        self.raw = raw

    def lines(self, cell: int | None) -> list[str]:
        """The lines of the file, or of one notebook cell, as `Finding.line` counts them."""
        if cell is None:
            return self._lines
        return self._cells[cell] if cell < len(self._cells) else []

    def changes(self, finding: Finding) -> list[Change]:
        """What the finding's fix does to the file; empty without a fix."""
        if finding.fix is None or not self.raw:
            return []
        edits = sorted(finding.fix.edits)
        if finding.cell is not None:
            cells = zip(self._cells, _cells(_apply(self.raw, edits, str.encode)), strict=False)
            return [change for old, new in cells if old != new for change in _compare(old, new, 1)]
        if self._is_plain:
            return [change for group in _by_lines(self.raw, edits) for change in _local(self.raw, group)]
        encode = self._source.encode if self._source else str.encode
        return _compare(self._lines, Excerpts(self.path, _apply(self.raw, edits, encode))._lines, 1)

    @cached_property
    def _source(self) -> Source | None:
        source = decode(self.raw, self.path, "python" if self.path.endswith((".py", ".pyi")) else "")
        return source if isinstance(source, Source) else None

    @cached_property
    def _lines(self) -> list[str]:
        return _split(self._source.text.decode("utf-8", "replace")) if self.raw and self._source else []

    @cached_property
    def _cells(self) -> list[list[str]]:
        return _cells(self.raw)

    @property
    def _is_plain(self) -> bool:
        """Whether the file's bytes are its text, so that a piece of it can be decoded on its own."""
        return self._source is not None and self._source.layout is None


def display(line: str) -> str:
    """A line fit for a terminal or a log: tabs widened, control characters made visible, commands broken."""
    line = line.replace(*LOG_COMMAND)
    if line.isprintable():
        return line
    return "".join(TAB if c == "\t" else c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)


def columns(text: str) -> int:
    """How many terminal columns `display`-ed text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def _split(text: str) -> list[str]:
    return _NEWLINE.split(text) if "\r" in text else text.split("\n")


def _cells(raw: bytes) -> list[list[str]]:
    """Lines of every cell of a notebook; nothing where it is not one."""
    try:
        cells = msgspec.json.decode(raw)["cells"]
        sources = ["".join(cell.get("source", "")) for cell in cells]
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return []
    return [_split(source) for source in sources]


def _apply(raw: bytes, edits: list[Edit], encode: Callable[[str], bytes]) -> bytes:
    for edit in reversed(edits):
        raw = raw[: edit.start] + encode(edit.text) + raw[edit.end :]
    return raw


def _by_lines(raw: bytes, edits: list[Edit]) -> list[list[Edit]]:
    """Edits in groups that share lines, so that each group can be shown on its own."""
    groups: list[list[Edit]] = []
    for edit in edits:
        if groups and b"\n" not in raw[groups[-1][-1].end : edit.start]:
            groups[-1].append(edit)
        else:
            groups.append([edit])
    return groups


def _local(raw: bytes, edits: list[Edit]) -> list[Change]:
    """The change of neighbouring edits, from the lines they touch alone: large files stay cheap."""
    start = raw.rfind(b"\n", 0, edits[0].start) + 1
    end = raw.find(b"\n", max(edit.end for edit in edits))
    end = len(raw) if end < 0 else end + 1
    moved = [Edit(edit.start - start, edit.end - start, edit.text) for edit in edits]
    before = raw[start:end]
    old, new = (_split(text.decode("utf-8", "replace")) for text in (before, _apply(before, moved, str.encode)))
    return _compare(old, new, raw.count(b"\n", 0, start) + 1)


def _compare(old: list[str], new: list[str], first: int) -> list[Change]:
    from difflib import SequenceMatcher  # not at the top: most findings change nothing

    head = common(old, new)
    tail = common(old[:head:-1], new[:head:-1])
    matcher = SequenceMatcher(None, old[head : len(old) - tail], new[head : len(new) - tail])
    return [
        Change(first + head + i, tuple(old[head + i : head + j]), tuple(new[head + k : head + n]))
        for tag, i, j, k, n in matcher.get_opcodes()
        if tag != "equal"
    ]


def common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many lines, or characters, both begin with."""
    return sum(1 for _ in takewhile(_same, zip(one, other, strict=False)))


def _same(pair: tuple[str, str]) -> bool:
    return pair[0] == pair[1]
