"""A rewrite as patches that are applied one after the other: by rule, by file, or by what a reader has to do."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from porter.model import Verdict
from porter.rewrite.patch import Change, between, splice
from porter.rewrite.pieces import Divided, Piece, changes_of

_UNFIT = re.compile(r"[^\w.-]+")
_HELPER = "helper"  # a file without CUDA uses of its own, which the others import


class Key(NamedTuple):
    """Which patch a piece belongs to. Patches come in the order of their keys; ``label`` is what people call one."""

    rank: int
    label: str


class Part(msgspec.Struct, frozen=True):
    """What one patch does to one file.

    ``changes`` lead on from ``before``: the file as the patches before this one, by the changes ``made``, have left it.
    """

    file: Divided
    pieces: tuple[Piece, ...]
    made: tuple[Change, ...]
    before: bytes
    changes: tuple[Change, ...]

    @property
    def created(self) -> bool:
        """Whether this patch brings the file."""
        return self.file.created and not self.made


class Patch(msgspec.Struct, frozen=True):
    """One patch of a series, its files in order."""

    label: str
    parts: tuple[Part, ...]


def series(files: Sequence[Divided], by: str) -> list[Patch]:
    """The patches that amount to the whole rewrite; ``by`` is a key of `SPLITS`.

    Each of them leaves every file whole: pieces that would break one wait for the next patch that changes it.
    """
    patches: dict[Key, list[Part]] = defaultdict(list)
    for file in files:
        for key, part in _parts(file, SPLITS[by]):
            patches[key].append(part)
    return [Patch(key.label, tuple(parts)) for key, parts in sorted(patches.items())]


def whole(files: Sequence[Divided]) -> Patch:
    """The rewrite as one patch."""
    return Patch("", tuple(Part(file, file.pieces, (), file.before, changes_of(file.pieces)) for file in files))


def file_names(patches: Sequence[Patch]) -> list[str]:
    """What to call the patches, so that they sort as they apply: ``01-PRT101-hardcoded-cuda-device.patch``."""
    digits = max(2, len(str(len(patches))))
    names = (_UNFIT.sub("-", patch.label).strip("-.") for patch in patches)
    return [f"{number:0{digits}}-{name}.patch" for number, name in enumerate(names, 1)]


def _parts(file: Divided, key_of: Callable[[Divided, Piece], Key]) -> Iterator[tuple[Key, Part]]:
    groups: dict[Key, list[Piece]] = defaultdict(list)
    for piece in file.pieces:
        groups[key_of(file, piece)].append(piece)
    taken: list[Piece] = []
    waiting: list[Piece] = []
    made: tuple[Change, ...] = ()
    for key in sorted(groups):
        waiting += groups[key]
        changes = changes_of(taken + waiting)
        if key != max(groups) and file.broken(splice(file.before, changes)):
            continue
        before = splice(file.before, made)
        yield key, Part(file, tuple(waiting), made, before, between(file.before, made, changes))
        taken, waiting, made = taken + waiting, [], changes


def _by_rule(_: Divided, piece: Piece) -> Key:
    lead = piece.lead
    return Key(1, f"{lead.code} {lead.name}") if lead is not None else Key(0, _HELPER)


def _by_file(file: Divided, _: Piece) -> Key:
    return Key(0 if file.created else 1, file.path)


def _by_verdict(_: Divided, piece: Piece) -> Key:
    lead = piece.lead
    if lead is None:
        return Key(0, _HELPER)
    if piece.comments:
        return Key(3, "comments")
    return Key(2, str(lead.verdict)) if lead.verdict is Verdict.REVIEW else Key(1, str(lead.verdict))


SPLITS: dict[str, Callable[[Divided, Piece], Key]] = {"rule": _by_rule, "file": _by_file, "verdict": _by_verdict}
