"""Does a rewritten file still mean what it did, and mean what the catalogue says where porter changed it?

Every dotted name of the file before and after, by libcst (`second.py`): each must stand for what it stood for, or for
what the catalogue claims to be the same on the target. A name that lost its import, that another one took over, or
that an edit wrote without anything to stand for, is told.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import libcst as cst

from porter.catalog import Catalogue
from porter.catalog.schema import Answer
from porter.engine import FileChange
from porter.model import Problem
from porter.rewrite.patch import Change
from porter.sources import decode
from porter.sources.source import Source
from porter.targets import TARGETS
from tests.ecosystem.second import Meaning, Span, opinion_on

KINDS = {
    "orphan": "a name that stood for something stands for nothing now",
    "captured": "a name stands for something else now, and no edit is for that",
    "claim": "an edited name stands for something other than the catalogue's replacement",
    "unbound": "an edit wrote a name that stands for nothing",
    "late": "an edit's name is used above its import",
}
_LEADING = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
# Names that rules write where the catalogue has another for the same thing.
_ALIKE = {
    "torch.autocast": ("torch.amp.autocast",),  # one class
    "torch.accelerator": ("torch.get_device_module",),  # the module of the same device
    "torch.tensor": ("torch.empty", "torch.Tensor"),  # a tensor type is called with values or sizes, or annotates
}
# A class that becomes the value of a call, where a name is given to it.
_PARTIAL = {
    "torch.cuda.amp.autocast": "functools.partial",
    "torch.cuda.amp.autocast_mode.autocast": "functools.partial",
}
_VALUES = {*_PARTIAL, "torch.distributed.Backend.NCCL"}  # and a constant that becomes a text
_TENSOR_TYPE = re.compile(r"torch\.cuda\.(\w+Tensor)")  # chosen types become those of the CPU, and go to the device
# What seeds the device seeds it alone, and what seeds all generators does, too.
_SEEDS = dict.fromkeys(("torch.cuda.manual_seed", "torch.cuda.manual_seed_all"), "torch.manual_seed")


class Broken(NamedTuple):
    """One place where names do not hold."""

    path: str
    line: int  # of the file before; after, for what an edit wrote
    kind: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.kind}: {self.before or '-'} -> {self.after or '-'}"


class Held(NamedTuple):
    """What came of one file: how many names stayed, became what is claimed, and went; and what is wrong."""

    path: str
    counts: Counter[str]
    broken: tuple[Broken, ...] = ()
    pairs: Counter[tuple[str, str]] = Counter()  # what became what


def hold(change: FileChange, catalogue: Catalogue, target: str) -> Held | None:
    """Ask about one file; None where it is no Python file in UTF-8 that libcst can read."""
    if not change.path.endswith(".py"):
        return None
    before, after = (decode.decode(raw, change.path, "python") for raw in (change.before, change.after))
    if isinstance(before, Problem) or isinstance(after, Problem) or before.text != before.raw:
        return None
    try:
        return _Comparison(before, after, change.changes, catalogue, target).held()
    except (cst.ParserSyntaxError, RecursionError):
        return None


class _Comparison:
    """The names of a file before and after."""

    def __init__(
        self, before: Source, after: Source, changes: Sequence[Change], catalogue: Catalogue, target: str
    ) -> None:
        self.sources = before, after
        self.before, self.after = opinion_on(before), opinion_on(after)
        self.catalogue, self.target = catalogue, target
        self.changes = sorted(changes)
        self.ends = [change.end for change in self.changes]
        grown = 0
        self.growth = [0]  # of the file, by the end of each change
        for change in self.changes:
            grown += len(change.new) - (change.end - change.start)
            self.growth.append(grown)
        self.longest: dict[int, int] = {}  # end of the longest chain, by its start
        for start, end in self.after.chains:
            self.longest[start] = max(end, self.longest.get(start, 0))

    def held(self) -> Held:
        """Compare all names."""
        counts: Counter[str] = Counter()
        pairs: Counter[tuple[str, str]] = Counter()
        broken: list[Broken] = []
        met: set[int] = set()  # starts, after
        for span in self.before.read:
            place, edited = self._after(span)
            if place is None:
                counts["part of what is replaced"] += 1
                continue
            met.add(place[0])
            old, new = self._old(span), self._new(place)
            if old[:4] == new[:4]:
                counts["the same"] += 1
            elif kind := self._wrong(span, old, new, edited):
                broken.append(self._broken(span[0], kind, str(old), str(new)))
            else:
                counts["as claimed"] += 1
                pairs.update((one, other) for one in old.names - new.names for other in new.names - old.names)
        broken += (self._broken(*found, side=1) for found in self._written(met, counts))
        return Held(self.sources[0].path, counts, tuple(broken), pairs)

    def _old(self, span: Span) -> Meaning:
        return self.before.meaning(self.before.chains[span])

    def _new(self, span: Span) -> Meaning:
        chain = self.after.chains.get(span)
        return self.after.meaning(chain) if chain is not None else Meaning()

    def _after(self, span: Span) -> tuple[Span | None, bool]:
        """Where a name stands after the changes, and whether it is edited; None where more than it is replaced."""
        start, end = span
        n = bisect_right(self.ends, start)
        moved = start + self.growth[n]
        first = self.changes[n] if n < len(self.changes) else None
        if first is None or first.start >= end:
            ahead = start + self.growth[n - 1], moved + end - start  # what is written right before it joins it
            if n and self.changes[n - 1].start == start and ahead in self.after.chains:
                return ahead, True
            return (moved, moved + end - start), False
        if first.start < start or first.end > end or moved not in self.longest:
            return None, True
        return (moved, self.longest[moved]), True

    def _wrong(self, span: Span, old: Meaning, new: Meaning, edited: bool) -> str | None:
        """What is wrong with a name that stands for something new."""
        redefined = any(self._touched(source) for source in old.sources)
        if not new.names and not new.others:
            return None if self._unseen(span) else "orphan"
        gone, come = old.names - new.names, new.names - old.names
        if (old.others and redefined) or (not old.names and edited) or (redefined and gone and gone <= _VALUES):
            return None  # a value, made in another way
        if edited and old.others and not any(name.startswith("torch.") for name in gone):
            return None  # a method of a value that has the name of a module
        if not edited and old.others != new.others:
            return "captured"
        claims = {name: self._claims(name) for name in gone}
        if come <= set().union(*claims.values()) and all(claims[name] & new.names for name in gone):
            return None
        return "claim" if edited else "captured"

    def _touched(self, span: Span) -> bool:
        """Whether something changes there."""
        n = bisect_right(self.ends, span[0])
        return n < len(self.changes) and self.changes[n].start < span[1]

    def _claims(self, name: str) -> set[str]:
        """What the catalogue and the target say that a name becomes, as far as that is a name."""
        target = TARGETS[self.target]
        known = {"torch.cuda": target.runtime, "torch.device": target.current, **_SEEDS}
        row, rest = self.catalogue.find("symbol", name), ""
        texts = [known.get(name, ""), _PARTIAL.get(name, ""), _TENSOR_TYPE.sub(r"torch.\1", name)]
        while row is None and "." in name:
            name, _, last = name.rpartition(".")
            rest = f".{last}{rest}"
            row = self.catalogue.find("symbol", name)
        if row is not None:
            answer: Answer = getattr(row, self.target)
            texts += [answer.replacement, answer.older, *(row.signature.otherwise.values() if row.signature else ())]
        found = [match.group() for match in map(_LEADING.match, texts) if match]
        names = {alias for name in found for alias in (name, *_ALIKE.get(name, ()))}
        return {(name if "." in name else f"builtins.{name}") + rest for name in names}

    def _written(self, met: set[int], counts: Counter[str]) -> Iterator[tuple[int, str, str, str]]:
        """What is wrong with the names that edits wrote, or moved."""
        unseen = {self._root(span) for span in self.before.read if self._unseen(span)}
        for span in self.after.read:
            if span[0] in met:
                continue
            meaning = self._new(span)
            text = self.sources[1].text[slice(*span)].decode()
            if not meaning.names and not meaning.others:
                if text.partition(".")[0].strip() not in unseen:
                    yield span[0], "unbound", "", text
            elif self.after.at_module_level(self.after.chains[span]) and min(meaning.origins, default=0) > span[0]:
                yield span[0], "late", "", text
            else:
                counts["written"] += 1

    def _unseen(self, span: Span) -> bool:
        """Whether libcst does not see all that defines a name: it is nothing to it, or needs itself to be assigned."""
        meaning, root, text = self._old(span), self._root(span), self.sources[0].text
        if meaning.names or not meaning.sources:
            return not meaning.names and not meaning.others
        return all(
            any(
                start <= first and last <= end and text[first:last].decode() == root
                for first, last in self.before.chains
            )
            for start, end in meaning.sources
        )

    def _root(self, span: Span) -> str:
        return self.sources[0].text[slice(*span)].decode().partition(".")[0].strip()

    def _broken(self, at: int, kind: str, old: str, new: str, side: int = 0) -> Broken:
        source = self.sources[side]
        return Broken(source.path, source.line(at), kind, old, new)
