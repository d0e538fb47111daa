"""Which findings a baseline knows: every entry answers for one finding, and no finding needs more than one.

First the finding that reads the same in the same file, wherever it stands there; then, in a file that git calls
renamed; then one of the same symbol in the same file, whose line was edited; at last one that reads the same in
another file, if the entry's own has it no more: the code was moved. So nothing that was only touched is new, and there
are never more uses of a symbol than the baseline has. Where there are more findings than entries, the new ones are
those on lines that have changed since the baseline was written, and those that read least like an entry.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from porter.gate.baseline import Entry
from porter.model import Finding
from porter.sources.lines import squeezed

MOST_COMPARED = 2_500  # pairs of lines in one file; beyond, the first lines count as the known ones

Key = Callable[[Entry], Hashable]


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
    left = [_Candidate(*pair) for pair in findings]
    open_, left = pair(open_, left, _reads)
    moved = renames() if open_ and left else {}
    now = [entry._replace(path=moved.get(entry.path, entry.path)) for entry in open_]
    origins = {id(new): old for new, old in zip(now, open_, strict=True)}
    for key in (_reads, _names, _moved):
        now, left = pair(now, left, key)
    return Matched([candidate.finding for candidate in left], [origins[id(entry)] for entry in now])


def _reads(entry: Entry) -> Hashable:
    return entry.path, entry.code, entry.symbol, squeezed(entry.text)


def _names(entry: Entry) -> Hashable:
    return entry.path, entry.code, entry.symbol


def _moved(entry: Entry) -> Hashable:
    return entry.code, entry.symbol, squeezed(entry.text)


def _pair(
    open_: list[Entry], left: list[_Candidate], key: Key, touched: Callable[[Finding], bool]
) -> tuple[list[Entry], list[_Candidate]]:
    """Take out what has a partner with the same key."""
    if not open_ or not left:
        return open_, left
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for i, entry in enumerate(open_):
        groups[key(entry)].append(i)
    rivals: dict[Hashable, list[int]] = defaultdict(list)
    for i, candidate in enumerate(left):
        if (name := key(candidate.entry)) in groups:
            rivals[name].append(i)
    used: set[int] = set()
    known: set[int] = set()
    for name, all_places in rivals.items():
        entries, places = groups[name], all_places
        if len(places) > len(entries):
            places = _choice([open_[i].text for i in entries], places, left, touched)
        used.update(entries[: len(places)])
        known.update(places[: len(entries)])
    return (
        [entry for i, entry in enumerate(open_) if i not in used],
        [candidate for i, candidate in enumerate(left) if i not in known],
    )


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
