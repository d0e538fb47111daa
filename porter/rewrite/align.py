"""Lines that are aligned to an open bracket move with it, where what stands before the bracket gets longer or shorter.

::

    with torch.cuda.amp.autocast(enabled=True,      with torch.amp.autocast("neuron", enabled=True,
                                 dtype=dtype):                              dtype=dtype):

Lines that begin within a string stay, and so do those of an indentation of their own.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from itertools import accumulate

import msgspec

from porter.rewrite.lines import line_start
from porter.rules.base import Judgement, TextEdit
from porter.sources.source import Source

_OPEN, _CLOSE = frozenset("([{"), frozenset(")]}")
_ADDED = re.compile(r"\n( +)")
_LAYOUT = frozenset({tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER})


class _Move(msgspec.Struct, frozen=True):
    """How far a line moves to the right, and the first edit that makes it do so."""

    columns: int = 0
    cause: TextEdit | None = None


_NOT = _Move()


class _Bracket:
    """An open bracket: where it stands, how its line moves, and what changes in front of it."""

    def __init__(self, line: int, at: int, move: _Move, edits: Sequence[TextEdit]) -> None:
        self.at = at
        self.column = at - line
        self.move = move
        self.before = [edit for edit in edits if line <= edit.start and edit.end <= at and "\n" not in edit.text]
        self.ends_line = False

    def moves(self, column: int) -> _Move:
        """How a line within it moves that begins in ``column``."""
        if self.ends_line or column <= self.column or not self.before:
            return self.move
        longer = sum(len(edit.text) - (edit.end - edit.start) for edit in self.before)
        return _Move(self.move.columns + longer, self.move.cause or self.before[0])


def aligned(source: Source, judgements: list[Judgement]) -> list[Judgement]:
    """The judgements, each with the edits of the lines that move with what it edits."""
    spans = {(s.start, s.end) for j in judgements if j.edits and (s := j.site.statement) is not None}
    wide = sorted(span for span in spans if b"\n" in source.text[slice(*span)])
    if not wide:
        return judgements
    edits = sorted({edit for judgement in judgements for edit in judgement.edits})
    moved: dict[TextEdit, list[TextEdit]] = {}  # by the edit that they go with, or whose lines they are
    for start, end in wide:
        inside = [edit for edit in edits if start <= edit.start and edit.end <= end]
        for cause, edit in _moves(source.text, start, end, inside):
            moved.setdefault(cause, []).append(edit)
    return [_with(judgement, moved) for judgement in judgements] if moved else judgements


def _with(judgement: Judgement, moved: dict[TextEdit, list[TextEdit]]) -> Judgement:
    more = [edit for cause in judgement.edits for edit in moved.get(cause, ())]
    kept = [edit for edit in judgement.edits if "\n" not in edit.text or edit not in moved]
    return msgspec.structs.replace(judgement, edits=tuple(sorted((*kept, *more)))) if more else judgement


def _moves(text: bytes, start: int, end: int, edits: Sequence[TextEdit]) -> Iterator[tuple[TextEdit, TextEdit]]:
    """The edits of a statement's lines that move, and of those that edits add: each with the edit that it goes with."""
    begin = line_start(text, start)
    code = text[begin:end]
    if not code.isascii() or any(b"\n" in text[edit.start : edit.end] for edit in edits):
        return
    for at, column, move in _lines(code.decode(), begin, edits):
        if isinstance(at, TextEdit):
            yield at, TextEdit(at.start, at.end, _ADDED.sub("\n" + " " * (column + move.columns), at.text))
            continue
        first, shift = at + column, move.columns
        free = not any(edit.start < first and at <= edit.end for edit in edits)
        if move.cause and shift and free and not text[at:first].strip(b" ") and column + shift >= 0:
            yield move.cause, TextEdit(at, at, " " * shift) if shift > 0 else TextEdit(at, at - shift, "")


def _lines(code: str, begin: int, edits: Sequence[TextEdit]) -> Iterator[tuple[int | TextEdit, int, _Move]]:
    """The lines within brackets, and the edits that add some: where each begins, in which column, and how it moves."""
    starts = list(accumulate((len(line) + 1 for line in code.split("\n")), initial=begin))
    opened: list[_Bracket] = []
    adding = [edit for edit in reversed(edits) if "\n" in edit.text]
    last, move, behind = 1, _NOT, 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            row, column = token.start
            if opened and token.type in (tokenize.NL, tokenize.COMMENT) and opened[-1].at == behind:
                opened[-1].ends_line = True
            while opened and adding and adding[-1].start <= starts[row - 1] + column:
                edit = adding.pop()
                if (added := _ADDED.search(edit.text)) is not None:
                    yield edit, len(added[1]), opened[-1].moves(len(added[1]))
            if token.type in _LAYOUT:
                continue
            if row != last:
                move = opened[-1].moves(column) if opened else _NOT
                yield starts[row - 1], column, move
            last, behind = token.end[0], starts[row - 1] + column
            if token.string in _OPEN:
                opened.append(_Bracket(starts[row - 1], behind, move, edits))
            elif token.string in _CLOSE and opened:
                opened.pop()
    except (tokenize.TokenError, SyntaxError):
        return
