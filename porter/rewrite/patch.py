"""Changes of a file as a patch that `git apply` takes, byte for byte.

Hunks come from the changes themselves, so they are exact and cost no more for a large file than for a small one.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import accumulate, takewhile

import msgspec

CONTEXT = 3
_SMALL = 64  # lines that are compared one by one: what neighbouring changes leave alone is no change
LINE = re.compile(rb"[^\n]*\n|[^\n]+")  # git knows no newline but this one; others are part of the line
_NO_NEWLINE = b"\n\\ No newline at end of file\n"
_ESCAPED = re.compile(rb'[\x00-\x1f\x7f"\\]')
_ESCAPES = {b'"': b'\\"', b"\\": b"\\\\", b"\t": b"\\t", b"\n": b"\\n", b"\r": b"\\r"}


class Change(msgspec.Struct, frozen=True, order=True):
    """Replace the bytes ``start:end`` of a file by ``new``."""

    start: int
    end: int
    new: bytes


class Hunk(msgspec.Struct, frozen=True):
    """Lines of a patch that git applies in one place: ``start:end`` are the bytes of the old file that they show."""

    start: int
    end: int
    line: int  # the first that changes, from 1
    text: bytes


class _Block(msgspec.Struct):
    """Lines ``first:last`` (from 0) that become ``new``."""

    first: int
    last: int
    new: list[bytes]


class _Step(msgspec.Struct):
    """A span between two changes of a file, made by the first (which made it longer) or to be changed by the second."""

    start: int
    end: int
    grown: int
    changes: list[Change] = []


def splice(before: bytes, changes: Iterable[Change]) -> bytes:
    """``before`` with the changes, which are in order and do not overlap."""
    pieces, at = [], 0
    for change in changes:
        pieces += [before[at : change.start], change.new]
        at = change.end
    return b"".join([*pieces, before[at:]])


def composed(before: bytes, first: Sequence[Change], second: Sequence[Change]) -> tuple[Change, ...]:
    """The changes of ``before`` that amount to ``first``, and then ``second`` of what comes out."""
    middle = splice(before, first)
    steps: list[_Step] = []
    growth = 0
    for change in first:
        start, grown = change.start + growth, len(change.new) - (change.end - change.start)
        steps.append(_Step(start, start + len(change.new), grown))
        growth += grown
    steps += [_Step(change.start, change.end, 0, [change]) for change in second]
    joined: list[_Step] = []
    for step in sorted(steps, key=lambda step: (step.start, step.end)):
        if joined and step.start <= joined[-1].end:
            joined[-1].end = max(joined[-1].end, step.end)
            joined[-1].grown += step.grown
            joined[-1].changes += step.changes
        else:
            joined.append(step)
    made, growth = [], 0
    for step in joined:
        moved = [Change(c.start - step.start, c.end - step.start, c.new) for c in step.changes]
        new = splice(middle[step.start : step.end], moved)
        made.append(Change(step.start - growth, step.end - growth - step.grown, new))
        growth += step.grown
    return tuple(made)


def between(before: bytes, one: Sequence[Change], other: Sequence[Change]) -> tuple[Change, ...]:
    """The changes that lead from ``before`` with the changes ``one`` to ``before`` with the changes ``other``."""
    made, growth = [], 0
    for start, end, here, there in _regions(one, other):
        old, new = (
            splice(before[start:end], [Change(c.start - start, c.end - start, c.new) for c in part])
            for part in (here, there)
        )
        if old != new:
            made.append(Change(start + growth, start + growth + len(old), new))
        growth += len(old) - (end - start)
    return tuple(made)


def carried(place: int, changes: Iterable[Change]) -> int:
    """Where a place of a file is after the changes; of what they replace, where that began."""
    growth = 0
    for change in changes:
        if change.end > place:
            return min(place, change.start) + growth
        growth += len(change.new) - (change.end - change.start)
    return place + growth


def _regions(one: Sequence[Change], other: Sequence[Change]) -> Iterator[tuple[int, int, list[Change], list[Change]]]:
    """Spans that hold changes which touch one another, with those of each side."""
    start = end = -1
    sides: tuple[list[Change], list[Change]] = [], []
    tagged = [(change, 0) for change in one] + [(change, 1) for change in other]
    tagged.sort(key=lambda item: (item[0].start, item[0].end))  # what is inserted in one place keeps its order
    for change, side in tagged:
        if change.start > end and end >= 0:
            yield start, end, *sides
            sides = [], []
        if not any(sides):
            start = change.start
        end = max(end, change.end)
        sides[side].append(change)
    if any(sides):
        yield start, end, *sides


def unified(path: str, before: bytes, changes: Sequence[Change], *, created: bool = False) -> bytes:
    """The patch of one file in git's format; empty where nothing changes. ``path`` is relative, with /.

    ``created`` says that there is no such file yet.
    """
    found = b"".join(hunk.text for hunk in hunks(before, changes))
    if not found and not created:
        return b""
    old, new = _quoted(b"a/" + os.fsencode(path)), _quoted(b"b/" + os.fsencode(path))
    tab = b"\t" if b" " in old else b""  # ends a name that could go on
    source = b"new file mode 100644\n--- /dev/null" if created else b"--- %s%s" % (old, tab)
    return b"diff --git %s %s\n%s\n+++ %s%s\n%s" % (old, new, source, new, tab, found)


def hunks(before: bytes, changes: Sequence[Change]) -> list[Hunk]:
    """The changes with the lines around them, joined where those meet."""
    lines = LINE.findall(before)
    starts = [0, *accumulate(map(len, lines))]
    return list(_hunks(lines, starts, list(_blocks(before, lines, starts, changes))))


def _blocks(
    before: bytes, lines: Sequence[bytes], starts: Sequence[int], changes: Sequence[Change]
) -> Iterator[_Block]:
    """The changed lines, cut down to what differs."""
    pending: list[Change] = []
    first = last = 0
    for change in changes:
        a = min(bisect_right(starts, change.start) - 1, max(0, len(lines) - 1))
        b = min(bisect_right(starts, change.end), len(lines))
        if _ends_at_a_line(change, starts, a):
            b -= 1  # the next line is not touched
        if pending and a > last:
            yield from _block(before, lines, starts, first, last, pending)
            pending = []
        if not pending:
            first = a
        pending.append(change)
        last = b
    if pending:
        yield from _block(before, lines, starts, first, last, pending)


def _ends_at_a_line(change: Change, starts: Sequence[int], first: int) -> bool:
    """Whether whole lines are taken away or replaced, so that the line behind them stays what it is."""
    if not change.start < change.end < starts[-1] or starts[bisect_left(starts, change.end)] != change.end:
        return False
    return change.new.endswith(b"\n") if change.new else change.start == starts[first]


def _block(
    before: bytes, lines: Sequence[bytes], starts: Sequence[int], first: int, last: int, changes: Sequence[Change]
) -> Iterator[_Block]:
    base = starts[first]
    moved = [Change(c.start - base, c.end - base, c.new) for c in changes]
    old, new = lines[first:last], LINE.findall(splice(before[base : starts[last]], moved))
    if max(len(old), len(new)) <= _SMALL:
        compared = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
        yield from (_Block(first + a, first + b, new[c:d]) for kind, a, b, c, d in compared if kind != "equal")
        return
    head = sum(1 for _ in takewhile(_same, zip(old, new, strict=False)))
    tail = sum(1 for _ in takewhile(_same, zip(old[head:][::-1], new[head:][::-1], strict=False)))
    if head + tail < max(len(old), len(new)):
        yield _Block(first + head, last - tail, new[head : len(new) - tail])


def _same(pair: tuple[bytes, bytes]) -> bool:
    return pair[0] == pair[1]


def _hunks(lines: Sequence[bytes], starts: Sequence[int], blocks: Sequence[_Block]) -> Iterator[Hunk]:
    shift = 0
    i = 0
    while i < len(blocks):
        j = i + 1
        while j < len(blocks) and blocks[j].first - blocks[j - 1].last <= 2 * CONTEXT:
            j += 1
        group = blocks[i:j]
        start, end = max(0, group[0].first - CONTEXT), min(len(lines), group[-1].last + CONTEXT)
        grown = sum(len(block.new) - (block.last - block.first) for block in group)
        old, new = _range(start, end - start), _range(start + shift, end - start + grown)
        text = b"@@ -%s +%s @@\n" % (old, new) + b"".join(_body(lines, start, end, group))
        yield Hunk(starts[start], starts[end], group[0].first + 1, text)
        shift += grown
        i = j


def _body(lines: Sequence[bytes], start: int, end: int, blocks: Sequence[_Block]) -> Iterator[bytes]:
    at = start
    for block in blocks:
        yield from (_line(b" ", line) for line in lines[at : block.first])
        yield from (_line(b"-", line) for line in lines[block.first : block.last])
        yield from (_line(b"+", line) for line in block.new)
        at = block.last
    yield from (_line(b" ", line) for line in lines[at:end])


def _line(sign: bytes, line: bytes) -> bytes:
    return sign + line if line.endswith(b"\n") else sign + line + _NO_NEWLINE


def _range(start: int, length: int) -> bytes:
    """Lines as a hunk's header has them; an empty range names the line before it."""
    return b"%d,%d" % (start + bool(length), length)


def _quoted(name: bytes) -> bytes:
    """A name as git writes it: in quotes where it holds what would end it."""
    escaped = _ESCAPED.sub(lambda m: _ESCAPES.get(m[0], b"\\%03o" % m[0][0]), name)
    return name if escaped == name else b'"' + escaped + b'"'
