"""Which findings a baseline knows: every entry answers for one finding, and no finding needs more than one.

First the finding that reads the same in the same file, wherever it stands there; then, in a file that git calls
renamed; then one of the same symbol in the same file, whose line was edited; at last one that reads the same in
another file, if the entry's own has it no more: the code was moved. So nothing that was only touched is new, and there
are never more uses of a symbol than the baseline has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
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
) -> Matched:
    """Tell new findings from known ones.

    Args:
        entries: the baseline.
        findings: each with the entry that would stand for it.
        looked_at: whether this run would have found what there is in a file; its other entries are left alone.
        renames: new path of each file that was renamed, by the old one; asked only where that may matter.
    """
    open_ = [entry for entry in entries if looked_at(entry.path)]
    left = [_Candidate(*pair) for pair in findings]
    open_, left = _pair(open_, left, _reads)
    moved = renames() if open_ and left else {}
    now = [entry._replace(path=moved.get(entry.path, entry.path)) for entry in open_]
    origins = {id(new): old for new, old in zip(now, open_, strict=True)}
    for key in (_reads, _names, _moved):
        now, left = _pair(now, left, key)
    return Matched([candidate.finding for candidate in left], [origins[id(entry)] for entry in now])


def _reads(entry: Entry) -> Hashable:
    return entry.path, entry.code, entry.symbol, squeezed(entry.text)


def _names(entry: Entry) -> Hashable:
    return entry.path, entry.code, entry.symbol


def _moved(entry: Entry) -> Hashable:
    return entry.code, entry.symbol, squeezed(entry.text)


def _pair(open_: list[Entry], left: list[_Candidate], key: Key) -> tuple[list[Entry], list[_Candidate]]:
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
    pairs = [pair for name, others in rivals.items() for pair in _partners(groups[name], others, open_, left)]
    used, known = ({pair[side] for pair in pairs} for side in (0, 1))
    return (
        [entry for i, entry in enumerate(open_) if i not in used],
        [candidate for i, candidate in enumerate(left) if i not in known],
    )


def _partners(
    entries: list[int], candidates: list[int], open_: list[Entry], left: list[_Candidate]
) -> Iterable[tuple[int, int]]:
    """Pairs of an entry and a finding, as many as there can be: those whose lines are most alike."""
    pairs = list(zip(entries, candidates, strict=False))
    if len(entries) == len(candidates) or len(entries) * len(candidates) > MOST_COMPARED:
        return pairs
    if len({open_[e].text for e in entries} | {left[c].entry.text for c in candidates}) == 1:
        return pairs
    from difflib import SequenceMatcher

    matcher = SequenceMatcher(autojunk=False)
    alike = []
    for entry in entries:
        matcher.set_seq2(open_[entry].text)
        for candidate in candidates:
            matcher.set_seq1(left[candidate].entry.text)
            alike.append((-matcher.ratio(), entry, candidate))
    chosen: dict[int, int] = {}  # entry by finding
    for _, entry, candidate in sorted(alike):
        if candidate not in chosen and entry not in chosen.values():
            chosen[candidate] = entry
    return [(entry, candidate) for candidate, entry in chosen.items()]
