"""A file's rewrite in the smallest pieces that a person, or a patch of a series, can take or leave."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import accumulate

import msgspec

from porter.model import Finding, Problem, Verdict
from porter.rewrite.apply import prove
from porter.rewrite.patch import LINE, Change
from porter.rewrite.units import Unit, clusters, flattened
from porter.sources.decode import decode
from porter.sources.kinds import kind_of, kind_of_script
from porter.sources.source import Source

_CARE = (Verdict.BLOCKED, Verdict.MANUAL, Verdict.UNKNOWN, Verdict.REVIEW, Verdict.AUTO)  # that a reader has to take


class Piece(msgspec.Struct, frozen=True, dict=True):
    """Units that share a changed line, so that they are read, and taken or left, as one."""

    units: tuple[Unit, ...]

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What it deals with: where something is rewritten, that alone."""
        found = [finding for unit in self.units for finding in unit.findings]
        return tuple(f for f in found if f.fix is not None) or tuple(found)

    @property
    def lead(self) -> Finding | None:
        """The finding that it is named for: the first of those that ask for most care. None for a file that is new."""
        return min(self.findings, key=lambda finding: _CARE.index(finding.verdict), default=None)

    @property
    def comments(self) -> bool:
        """Whether nothing is rewritten, and comments left for people."""
        return bool(self.findings) and all(unit.comments for unit in self.units)


class Divided(msgspec.Struct, frozen=True, dict=True):
    """The rewrite of one file in its pieces, in order; see `divided`. ``created``: there is no such file yet."""

    path: str
    before: bytes
    pieces: tuple[Piece, ...]
    created: bool = False

    def broken(self, after: bytes) -> str | None:
        """Why ``after``, which some of the pieces make, cannot take the file's place; None if it can."""
        return None if isinstance(self._source, Problem) else prove(self._source, after)

    @cached_property
    def _source(self) -> Source | Problem:
        kind = kind_of(self.path) or kind_of_script(self.before[:128]) or "python"
        return decode(self.before, self.path, kind)


def changes_of(chosen: Iterable[Piece]) -> tuple[Change, ...]:
    """The changes that these pieces of a file amount to."""
    return flattened(unit for piece in chosen for unit in piece.units)


def divided(path: str, before: bytes, changes: tuple[Change, ...], units: Sequence[Unit], created: bool) -> Divided:
    """A file and its pieces. What no unit is known of, as in a file that is new, is one."""
    known = units if units or not (changes or created) else [Unit((), (), changes)]
    return Divided(path, before, pieces(before, known), created)


def pieces(before: bytes, units: Sequence[Unit]) -> tuple[Piece, ...]:
    """The pieces of a file's rewrite, by the first line that each changes.

    Units go together where they change the same line in different ways. Lines that are added, and changes that units
    share (imports, as a rule), tie nothing.
    """
    starts = [0, *accumulate(map(len, LINE.findall(before)))]
    lines: dict[int, set[Change]] = defaultdict(set)
    for change in {change for unit in units for change in unit.changes}:
        for line in _lines(before, starts, change):
            lines[line].add(change)
    contested = {line for line, changes in lines.items() if len(changes) > 1}
    keys = [{n for change in unit.changes for n in _lines(before, starts, change) if n in contested} for unit in units]
    made = (Piece(tuple(units[i] for i in members)) for members in clusters(keys))
    return tuple(sorted(made, key=_first))


def _first(piece: Piece) -> tuple[int, ...]:
    """The place of the first thing that is the piece's own."""
    return tuple(sorted(place for unit in piece.units for place in unit.places)) or (0,)


def _lines(before: bytes, starts: Sequence[int], change: Change) -> range:
    """The lines that a change alters, from 0: none where it only adds lines."""
    start, end = change.start, change.end
    first = bisect_right(starts, start) - 1
    if start == end:
        at_start, at_end = starts[first] == start, before[start : start + 1] in (b"\n", b"\r", b"")
        if (at_start and change.new.endswith(b"\n")) or (at_end and change.new.startswith((b"\n", b"\r"))):
            return range(0)
    return range(first, max(bisect_left(starts, end), first + 1))
