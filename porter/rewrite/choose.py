"""The pieces of a rewrite, chosen one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from porter.rewrite.pieces import Divided, Piece

ANSWERS = {
    "y": "take this change",
    "n": "leave it",
    "a": "take it and the rest of this file",
    "d": "leave it and the rest of this file",
    "s": "leave it and all that is left of this rule",
    "q": "leave it and everything after it",
}


class Question(NamedTuple):
    """Whether to take a piece: number ``number`` of ``total``."""

    file: Divided
    piece: Piece
    number: int
    total: int


def choose(files: Sequence[Divided], ask: Callable[[Question], str]) -> list[Divided]:
    """The files with the pieces that were taken; those of which none was are left out.

    ``ask`` answers with a key of `ANSWERS`. A file that is new is for the others: it is taken if anything is.
    """
    total = sum(1 for file in files for piece in file.pieces if piece.findings)
    number = 0
    chosen: list[Divided] = []
    skipped: set[str] = set()  # codes of rules
    last = False
    for file in files:
        taken: list[Piece] = []
        rest = "d" if last else ""
        for piece in (piece for piece in file.pieces if piece.findings):
            number += 1
            if not skipped.isdisjoint(finding.code for finding in piece.findings):
                continue
            answer = rest or ask(Question(file, piece, number, total))
            if answer in ("y", "a"):
                taken.append(piece)
            if answer in ("a", "d", "q"):
                rest, last = "a" if answer == "a" else "d", last or answer == "q"
            elif answer == "s" and piece.lead is not None:
                skipped.add(piece.lead.code)
        if taken:
            chosen.append(msgspec.structs.replace(file, pieces=tuple(taken)))
    new = [file for file in files if not any(piece.findings for piece in file.pieces)]
    return [*new, *chosen] if chosen else []
