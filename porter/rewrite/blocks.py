"""A block that would lose all of its statements keeps a ``pass``."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from porter.rewrite.imports import bodies
from porter.rules.base import Judgement, TextEdit
from porter.sources.source import Source


def refill(source: Source, judgements: Sequence[Judgement]) -> list[Judgement]:
    """Make the last of a block's deletions a ``pass``, where the block's statements are deleted one by one.

    Each rule sees its own statement only; that the block is left empty shows when all have been judged.
    """
    deletions = {edit for j in judgements for edit in j.edits if not edit.text}
    if len(deletions) < 2:
        return list(judgements)
    instead = {}
    for owner, last, block in _blocks(source):
        covering = [next((d for d in deletions if d.start <= start and end <= d.end), None) for start, end in block]
        deletion = covering[-1]
        if deletion is not None and None not in covering and deletion.start > owner:
            instead[deletion] = TextEdit(*last, "pass")
    if not instead:
        return list(judgements)
    return [replace(j, edits=tuple(instead.get(edit, edit) for edit in j.edits)) for j in judgements]


def _blocks(source: Source) -> Iterator[tuple[int, tuple[int, int], list[tuple[int, int]]]]:
    """Start of a compound statement, span of the last statement in one of its blocks, and all spans there."""
    try:
        tree = ast.parse(source.text.decode())
    except (SyntaxError, ValueError, RecursionError):
        return
    starts = source.line_starts
    for node in ast.walk(tree):
        if not isinstance(node, (ast.stmt, ast.excepthandler)):
            continue
        for body in bodies(node):
            spans = [
                (starts[s.lineno - 1] + s.col_offset, starts[(s.end_lineno or 1) - 1] + (s.end_col_offset or 0))
                for s in body
                if isinstance(s, ast.stmt)
            ]
            if spans:
                yield starts[node.lineno - 1] + node.col_offset, spans[-1], spans
