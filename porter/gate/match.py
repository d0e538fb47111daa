"""Which findings a baseline knows: every entry answers for one finding, and no finding needs more than one.

First the finding that reads the same in the same file, wherever it stands there; then, in a file that git calls
renamed; then one of the same symbol in the same file, whose line was edited; at last one that reads the same in
another file, if the entry's own has it no more: the code was moved, and with it the rest of a file that is gone. So
nothing that was only touched is new, and there are never more uses of a symbol than the baseline has. Where there are
more findings than entries, the new ones are those on lines that have changed since the baseline was written, and those
that read least like an entry.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

from porter.gate.baseline import Entry
from porter.model import Finding
from porter.sources.lines import squeezed

MOST_COMPARED = 2_500  # pairs of lines in one file; beyond, the first lines count as the known ones

Key = Callable[[Entry], Hashable]
T = TypeVar("T")


class Matched(NamedTuple):
    """What comes of it, both in their order."""

    new: list[Finding]
    gone: list[Entry]  # entries of files that were looked at, without a finding


class _Candidate(NamedTuple):
    """A finding, as an entry for it would be."""

    entry: Entry
    finding: Finding


def match(
    entries: Sequence[Entry],
    findings: Iterable[tuple[Entry, Finding]],
    looked_at: Callable[[str], bool],
    renames: Callable[[], Mapping[str, str]],
    touched: Callable[[Finding], bool],
) -> Matched:
    """Tell new findings from known ones.

    Args:
        entries: the baseline.
        findings: each with the entry that would stand for it.
        looked_at: whether this run would have found what there is in a file; its other entries are left alone.
        renames: new path of each file that was renamed, by the old one; asked only where that may matter.
        touched: whether a finding stands on a line that has changed since; asked only to choose between findings.
    """
    pair = partial(_pair, touched=touched)
    open_ = [entry for entry in entries if looked_at(entry.path)]
    left = [_Candidate(*one) for one in findings]
    present = {candidate.entry.path for candidate in left}
    open_, left, _ = pair(open_, left, _reads)
    moved = renames() if open_ and left else {}
    now = [entry._replace(path=moved.get(entry.path, entry.path)) for entry in open_]
    origins = {id(new): old for new, old in zip(now, open_, strict=True)}
    for key in (_reads, _names):
        now, left, _ = pair(now, left, key)
    now, left, found = pair(now, left, _moved)
    became = _became((entry.path, candidate.entry.path) for entry, candidate in found if entry.path not in present)
    later = [entry._replace(path=became.get(entry.path, entry.path)) for entry in now]
    origins |= {id(new): origins[id(old)] for new, old in zip(later, now, strict=True)}
    later, left, _ = pair(later, left, _names)
    return Matched([candidate.finding for candidate in left], [origins[id(entry)] for entry in later])


def _became(moves: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The file that each of the old ones has become: where most of what was found again is."""
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for old, new in moves:
        votes[old][new] += 1
    return {old: counted.most_common(1)[0][0] for old, counted in votes.items()}


def _reads(entry: Entry) -> Hashable:
    return entry.path, entry.code, entry.symbol, squeezed(entry.text)


def _names(entry: Entry) -> Hashable:
    return entry.path, entry.code, entry.symbol


def _moved(entry: Entry) -> Hashable:
    return entry.code, entry.symbol, squeezed(entry.text)


def _pair(
    open_: list[Entry], left: list[_Candidate], key: Key, touched: Callable[[Finding], bool]
) -> tuple[list[Entry], list[_Candidate], list[tuple[Entry, _Candidate]]]:
    """Take out what has a partner with the same key: what is left on both sides, and the pairs."""
    if not open_ or not left:
        return open_, left, []
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for i, entry in enumerate(open_):
        groups[key(entry)].append(i)
    rivals: dict[Hashable, list[int]] = defaultdict(list)
    for i, candidate in enumerate(left):
        if (name := key(candidate.entry)) in groups:
            rivals[name].append(i)
    used: list[int] = []
    known: list[int] = []
    for name, all_places in rivals.items():
        entries, places = groups[name], all_places
        if len(places) > len(entries):
            places = _choice([open_[i].text for i in entries], places, left, touched)
        used += entries[: len(places)]
        known += places[: len(entries)]
    pairs = [(open_[i], left[j]) for i, j in zip(used, known, strict=True)]
    return _without(open_, set(used)), _without(left, set(known)), pairs


def _without(items: list[T], places: set[int]) -> list[T]:
    return [item for place, item in enumerate(items) if place not in places]


def _choice(
    texts: list[str], places: list[int], left: list[_Candidate], touched: Callable[[Finding], bool]
) -> list[int]:
    """The places of findings that compete for fewer entries: the first are to be the known ones."""
    changed = {place: touched(left[place].finding) for place in places}
    ordered = sorted(places, key=changed.__getitem__)
    read = {left[place].entry.text for place in places}
    if len(texts) * len(places) > MOST_COMPARED or len(read) == 1:
        return ordered
    from difflib import SequenceMatcher

    matcher = SequenceMatcher(autojunk=False)
    alike = []
    for i, text in enumerate(texts):
        matcher.set_seq2(text)
        for place in places:
            matcher.set_seq1(left[place].entry.text)
            alike.append((changed[place], -matcher.ratio(), i, place))
    chosen: dict[int, int] = {}  # entry by place
    for *_, i, place in sorted(alike):
        if place not in chosen and i not in chosen.values():
            chosen[place] = i
    return [*chosen, *(place for place in ordered if place not in chosen)]
