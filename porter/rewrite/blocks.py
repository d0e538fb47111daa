"""A block that would lose all of its statements keeps a ``pass``, or goes with the test or ``try`` around it."""

from __future__ import annotations

import ast
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from operator import itemgetter

import msgspec
from msgspec.structs import replace

from porter.index.nesting import Nesting
from porter.index.outline import Span
from porter.rewrite.calls import delete_statement
from porter.rewrite.imports import bodies
from porter.rules.base import Judgement, TextEdit
from porter.sources.source import Source

# What a test may be made of that does nothing else; of calls, those that ask.
_VALUES = (ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.Compare, ast.BoolOp, ast.UnaryOp, ast.Call)
_ASKS = (*_VALUES, ast.expr_context, ast.cmpop, ast.boolop, ast.unaryop)
_QUESTIONS = frozenset({"is_available", "is_initialized", "startswith", "device_count", "str", "isinstance", "hasattr"})
_NEAR = 2000  # bytes
_BLANK = re.compile(rb"[ \t]*\r?\n")
# A blank line, and comments that tell of what comes: no licence, no word for another tool, no mark of a cell.
_ABOVE = re.compile(
    rb"^[ \t]*\r?\n((?:[ \t]*#[ \t]*(?!(?:copyright|licen[cs]e|spdx|fmt|isort|region)\b)\w[^\n]*\n)*)\Z", re.M | re.I
)


class _Block(msgspec.Struct, frozen=True):
    """The statements of one block, by their spans, and of what."""

    owner: int  # where the compound statement begins
    statements: list[tuple[int, int]]
    test: tuple[int, int, int] | None  # of what serves it alone, an `if` that only asks or a `try`: span and siblings


def refill(source: Source, judgements: Sequence[Judgement]) -> list[Judgement]:
    """Take the `if` or `try` away with all that it guarded, or make the last of a block's deletions a ``pass``.

    Each rule sees its own statement only; that the block is left empty shows when all have been judged.
    """
    removed = {edit for j in judgements for edit in j.edits if edit.text in ("", "pass") and edit.end > edit.start}
    if not removed:
        return list(judgements)
    found = list(judgements)
    places = sorted((edit.start, number) for number, j in enumerate(found) for edit in j.edits)
    deletions, whole = Nesting(removed), dict[tuple[int, int], TextEdit]()
    for block in reversed(list(_blocks(source))):  # inner ones first
        covering = [whole.get(place) or next(deletions.around(Span(*place)), None) for place in block.statements]
        last = covering[-1]
        if last is None or None in covering or last.start <= block.owner:
            continue
        gone = _whole(source, block) if block.test is not None else None
        if gone is not None:
            assert block.test is not None
            whole[block.test[:2]] = gone
            for number in _within(gone, places):
                found[number] = _with_the_test(found[number], gone, {e for e in covering if e is not None})
        elif last.text != "pass":
            instead = {last: TextEdit(*block.statements[-1], "pass")}
            for number in _within(last, places):
                edits = tuple(instead.get(edit, edit) for edit in found[number].edits)
                found[number] = replace(found[number], edits=edits)
    return found


def _within(edit: TextEdit, places: list[tuple[int, int]]) -> set[int]:
    """The numbers of what has edits where one is, by where each starts."""
    first, last = bisect_left(places, edit.start, key=itemgetter(0)), bisect_right(places, edit.end, key=itemgetter(0))
    return {number for _, number in places[first:last]}


def _whole(source: Source, block: _Block) -> TextEdit | None:
    """The deletion of an `if` or `try` and its block; None where a comment stands in it.

    If it is a paragraph of its own, between blank lines, the comment above and one of these lines go with it.
    """
    assert block.test is not None
    start, end, siblings = block.test
    gone = None if b"#" in source.text[start:end] else delete_statement(source.text, start, end, siblings)
    if gone is None or gone.text:
        return gone
    above = _ABOVE.search(source.text, max(0, gone.start - _NEAR), gone.start)
    below = _BLANK.match(source.text, gone.end)
    return gone if above is None or below is None else TextEdit(above.start(1), below.end(), "")


def _with_the_test(judgement: Judgement, gone: TextEdit, covering: set[TextEdit]) -> Judgement:
    """The judgement, where its edits are part of what goes: deletions of the block, and edits of the test."""
    inside = [edit for edit in judgement.edits if gone.start <= edit.start and edit.end <= gone.end]
    if not inside:
        return judgement
    edits = dict.fromkeys(gone if edit in inside else edit for edit in judgement.edits)
    several = len(covering) > 1
    return replace(judgement, edits=tuple(edits), group=f"if:{gone.start}" if several else judgement.group)


def _blocks(source: Source) -> Iterator[_Block]:
    try:
        tree = ast.parse(source.text.decode())
    except (SyntaxError, ValueError, RecursionError):
        return
    starts = source.line_starts

    def span(node: ast.stmt | ast.excepthandler) -> tuple[int, int]:
        end = starts[(node.end_lineno or 1) - 1] + (node.end_col_offset or 0)
        return starts[node.lineno - 1] + node.col_offset, end

    nodes = tuple(ast.walk(tree))
    siblings = {id(s): len(body) for node in nodes for body in bodies(node) for s in body}
    chained = {id(node.orelse[0]) for node in nodes if isinstance(node, ast.If) and len(node.orelse) == 1}
    for node in nodes:
        if isinstance(node, ast.stmt | ast.excepthandler):
            alone = not getattr(node, "orelse", ()) and not getattr(node, "finalbody", ()) and id(node) not in chained
            serves = isinstance(node, ast.Try) or (isinstance(node, ast.If) and _only_asks(node.test))
            test = (*span(node), siblings[id(node)]) if alone and serves else None
            for body in bodies(node):
                spans = [span(s) for s in body if isinstance(s, ast.stmt)]
                if spans:
                    yield _Block(span(node)[0], spans, test)


def _only_asks(test: ast.expr) -> bool:
    """Whether a test has no effect but its answer."""
    for node in ast.walk(test):
        if not isinstance(node, _ASKS):
            return False
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name not in _QUESTIONS:
                return False
    return True
