"""What of a file's rewrite stands or falls together, and the changes that any choice of it amounts to."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import chain

import msgspec

from porter.model import Finding
from porter.rewrite import patch
from porter.rewrite.patch import Change, splice


class Unit(msgspec.Struct, frozen=True):
    """Findings that are dealt with together or not at all, with all the changes of the original file that this takes.

    Units may share a change, such as an import that each of them needs. ``places`` says for each finding where in the
    original file its own change is. Findings without a fix are left to people: the changes are comments for them.
    """

    findings: tuple[Finding, ...]
    places: tuple[int, ...]
    changes: tuple[Change, ...]

    @property
    def comments(self) -> bool:
        """Whether nothing is rewritten."""
        return all(finding.fix is None for finding in self.findings)


def flattened(units: Iterable[Unit]) -> tuple[Change, ...]:
    """The changes of all these units, in order and without overlap.

    Equal changes count once, deletions are joined, and what lies within a deletion goes with it. Comments come behind
    what is inserted at the same place.
    """
    flat: list[Change] = []
    for start, end, _, new in sorted({(c.start, c.end, unit.comments, c.new) for unit in units for c in unit.changes}):
        last = flat[-1] if flat else None
        if last is None or start >= last.end:
            flat.append(Change(start, end, new))
        elif not last.new:
            flat[-1] = Change(last.start, max(last.end, end), b"")
        elif last.start == start:  # a replacement within a longer deletion
            flat[-1] = Change(start, end, new)
    return tuple(flat)


def composed(before: bytes, first: Sequence[Unit], second: Sequence[Unit]) -> tuple[Unit, ...]:
    """The units of ``before`` that amount to ``first``, and then ``second`` of what comes out.

    Where one of the second touches what the first have changed, they become one.
    """
    made = flattened(first)
    middle = splice(before, made)
    both = patch.composed(before, made, flattened(second))
    spans = _Spans(made, both)
    units = [*first, *second]
    finals = [{spans.of(c) for c in u.changes} for u in first] + [
        {spans.of_second(c) for c in u.changes} for u in second
    ]
    mixed = set.union(set(), *finals[: len(first)]) & set.union(set(), *finals[len(first) :])
    joined = []
    for members in clusters([found & mixed for found in finals]):
        changes: set[Change] = set()
        places: list[int] = []
        for i in members:
            changes.update(both[n] for n in finals[i] & mixed)
            if i < len(first):
                changes.update(c for c in units[i].changes if spans.of(c) not in mixed)
                places += units[i].places
            else:
                changes.update(spans.moved(c) for c in units[i].changes if spans.of_second(c) not in mixed)
                places += map(spans.origin, units[i].places)
        findings = tuple(chain.from_iterable(units[i].findings for i in members))
        joined.append(Unit(findings, tuple(places), tuple(sorted(changes))))
    if splice(before, flattened(joined)) == splice(middle, flattened(second)):
        return tuple(joined)
    findings = tuple(chain.from_iterable(unit.findings for unit in joined))
    return (Unit(findings, tuple(chain.from_iterable(unit.places for unit in joined)), both),)


class _Spans:
    """Where the changes of two rounds lie: in the original, and in what the first round made of it."""

    def __init__(self, made: Sequence[Change], both: Sequence[Change]):
        self._both = both
        self._starts = [change.start for change in both]
        self._middle: list[tuple[int, int]] = []  # start and end of each of ``both`` after the first round
        growth, rest = 0, list(made)[::-1]
        for change in both:
            start = change.start + growth
            while rest and rest[-1].end <= change.end:
                first = rest.pop()
                growth += len(first.new) - (first.end - first.start)
            self._middle.append((start, change.end + growth))

    def of(self, change: Change) -> int:
        """Which of both rounds' changes holds a change of the first."""
        return bisect_right(self._starts, change.start) - 1

    def of_second(self, change: Change) -> int:
        """Which of both rounds' changes holds a change of the second."""
        return self._at(change.start)

    def moved(self, change: Change) -> Change:
        """A change of the second round, where the first has changed nothing, as one of the original."""
        n = self._at(change.start)
        shift = self._middle[n][0] - self._starts[n]
        return Change(change.start - shift, change.end - shift, change.new)

    def origin(self, place: int) -> int:
        """A place after the first round as one in the original; of what is new, where it was put."""
        n = self._at(place)
        if n < 0:
            return place
        (start, end), change = self._middle[n], self._both[n]
        return place - (end - change.end) if place > end else min(change.start + place - start, change.end)

    def _at(self, place: int) -> int:
        return bisect_right(self._middle, place, key=lambda span: span[0]) - 1


def clusters(keys: Sequence[set[int]]) -> list[list[int]]:
    """Places of what shares a key, directly or through others, by the first of each."""
    leader = list(range(len(keys)))
    holder: dict[int, int] = {}

    def find(i: int) -> int:
        while leader[i] != i:
            leader[i] = leader[leader[i]]
            i = leader[i]
        return i

    for i, some in enumerate(keys):
        for key in some:
            one, other = sorted((find(i), find(holder.setdefault(key, i))))
            leader[other] = one
    clusters: dict[int, list[int]] = {}
    for i in range(len(keys)):
        clusters.setdefault(find(i), []).append(i)
    return list(clusters.values())
