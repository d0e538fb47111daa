"""Places in a file as it lies on disk, for tools that know nothing of notebook cells or of encodings."""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

from porter.model import Finding
from porter.sources.decode import Encoded, decode
from porter.sources.notebook import Notebook
from porter.sources.source import Source


class Place(NamedTuple):
    """A line and a column, both from 1; columns in code points."""

    line: int
    column: int


class Region(NamedTuple):
    """From a place up to, and not including, another."""

    line: int
    column: int
    end_line: int
    end_column: int


class Disk:
    """One file's bytes, by line and column. Without the file's bytes a finding's own numbers have to do."""

    def __init__(self, path: str, raw: bytes) -> None:
        self.raw = raw
        self.path = path

    def region(self, finding: Finding) -> Region:
        """Where a finding is; in a notebook, the lines of the JSON that hold it."""
        region = Region(finding.line, finding.column, finding.end_line, finding.end_column)
        if finding.cell is None or not self.raw:
            return region
        start = self._in_notebook(finding.cell, finding.line, finding.column)
        end = self._in_notebook(finding.cell, finding.end_line, finding.end_column)
        return region if start is None or end is None else Region(*start, *max(start, end))

    def span(self, start: int, end: int) -> Region:
        """The region between two byte offsets."""
        return Region(*self._place(start), *self._place(end))

    def octets(self, place: Place) -> int:
        """The column of a place in bytes of UTF-8, from 1."""
        before = self._line(place.line)[: place.column - 1]
        return place.column + len(before.encode("utf-8", "replace")) - len(before)

    def text(self, start: int, end: int) -> str:
        """What stands between two byte offsets."""
        return self.raw[start:end].decode(self._encoding, "replace")

    def _place(self, offset: int) -> Place:
        """Line and column of a byte offset."""
        if self._wide:
            lines = self.raw[:offset].decode(self._encoding, "replace").replace("\r\n", "\n").replace("\r", "\n")
            before = lines.removeprefix("\ufeff")
            return Place(before.count("\n") + 1, len(before) - before.rfind("\n"))
        line = bisect_right(self._starts, offset)
        start = self._starts[line - 1]
        return Place(line, len(self.text(start, offset).removeprefix("\ufeff")) + 1)

    def _line(self, line: int) -> str:
        starts = self._starts
        if self._wide or line > len(starts):
            return ""
        end = starts[line] if line < len(starts) else len(self.raw)
        return self.text(starts[line - 1], end).removeprefix("\ufeff")

    def _in_notebook(self, cell: int, line: int, column: int) -> Place | None:
        """Where on disk a place in a cell is; None where the notebook is no longer what was analysed."""
        source = self._source
        layout = source.layout if source else None
        if source is None or not isinstance(layout, Notebook):
            return None
        start = next((known.start for known in layout.cells if known.index == cell), None)
        if start is None or (row := source.line(start) + line - 2) >= len(source.line_starts):
            return None
        begin = source.line_starts[row]
        text = source.text[begin:].split(b"\n", 1)[0].decode("utf-8", "replace")
        edit = source.to_disk(at := begin + len(text[: column - 1].encode()), at, "")
        return self._place(edit.start) if edit else None

    @cached_property
    def _source(self) -> Source | None:
        kind = "notebook" if self.path.endswith(".ipynb") else "python" if self.path.endswith((".py", ".pyi")) else ""
        source = decode(self.raw, self.path, kind)
        return source if isinstance(source, Source) else None

    @cached_property
    def _encoding(self) -> str:
        layout = self._source.layout if self._source else None
        return layout.encoding if isinstance(layout, Encoded) else "utf-8"

    @property
    def _wide(self) -> bool:
        """Whether a line feed is more than the byte 10."""
        return self._encoding.startswith(("utf-16", "utf-32"))

    @cached_property
    def _starts(self) -> list[int]:
        r"""Byte offset of every line; lines end at ``\n``, ``\r\n`` and ``\r``."""
        return list(accumulate(map(len, self.raw.splitlines(keepends=True)), initial=0))
