"""Changes of a file as a patch that `git apply` takes, byte for byte.

Hunks come from the changes themselves, so they are exact and cost no more for a large file than for a small one.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile

import msgspec

CONTEXT = 3
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")  # git knows no newline but this one; others are part of the line
_NO_NEWLINE = b"\n\\ No newline at end of file\n"
_ESCAPED = re.compile(rb'[\x00-\x1f\x7f"\\]')
_ESCAPES = {b'"': b'\\"', b"\\": b"\\\\", b"\t": b"\\t", b"\n": b"\\n", b"\r": b"\\r"}


class Change(msgspec.Struct, frozen=True, order=True):
    """Replace the bytes ``start:end`` of a file by ``new``."""

    start: int
    end: int
    new: bytes


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


def unified(path: str, before: bytes, changes: Sequence[Change]) -> bytes:
    """The patch of one file in git's format; empty where nothing changes. ``path`` is relative, with /."""
    lines = _LINE.findall(before)
    hunks = b"".join(_hunks(lines, list(_blocks(before, lines, changes))))
    if not hunks:
        return b""
    old, new = _quoted(b"a/" + os.fsencode(path)), _quoted(b"b/" + os.fsencode(path))
    tab = b"\t" if b" " in old else b""  # ends a name that could go on
    return b"diff --git %s %s\n--- %s%s\n+++ %s%s\n%s" % (old, new, old, tab, new, tab, hunks)


def _blocks(before: bytes, lines: Sequence[bytes], changes: Sequence[Change]) -> Iterator[_Block]:
    """The changed lines, cut down to what differs."""
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    pending: list[Change] = []
    first = last = 0
    for change in changes:
        a = min(bisect_right(starts, change.start) - 1, max(0, len(lines) - 1))
        b = min(bisect_right(starts, change.end), len(lines))
        if pending and a > last:
            yield from _block(before, lines, starts, first, last, pending)
            pending = []
        if not pending:
            first = a
        pending.append(change)
        last = b
    if pending:
        yield from _block(before, lines, starts, first, last, pending)


def _block(
    before: bytes, lines: Sequence[bytes], starts: Sequence[int], first: int, last: int, changes: Sequence[Change]
) -> Iterator[_Block]:
    base = starts[first]
    moved = [Change(c.start - base, c.end - base, c.new) for c in changes]
    old, new = lines[first:last], _LINE.findall(splice(before[base : starts[last]], moved))
    head = sum(1 for _ in takewhile(_same, zip(old, new, strict=False)))
    tail = sum(1 for _ in takewhile(_same, zip(old[head:][::-1], new[head:][::-1], strict=False)))
    if head + tail < max(len(old), len(new)):
        yield _Block(first + head, last - tail, new[head : len(new) - tail])


def _same(pair: tuple[bytes, bytes]) -> bool:
    return pair[0] == pair[1]


def _hunks(lines: Sequence[bytes], blocks: Sequence[_Block]) -> Iterator[bytes]:
    """Blocks with the lines around them, joined where those meet."""
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
        yield b"@@ -%s +%s @@\n" % (old, new) + b"".join(_body(lines, start, end, group))
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
