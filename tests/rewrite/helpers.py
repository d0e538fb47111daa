"""What several tests of the rewrite package need: calls and sites found with `ast`, edits applied the plain way."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from porter.index.site import Argument, Call
from porter.rules.base import TextEdit


def offset(text: bytes, line: int, column: int) -> int:
    return sum(len(row) for row in text.splitlines(keepends=True)[: line - 1]) + column


def span(text: bytes, node: ast.expr | ast.stmt | ast.alias) -> tuple[int, int]:
    assert node.end_lineno is not None and node.end_col_offset is not None
    return offset(text, node.lineno, node.col_offset), offset(text, node.end_lineno, node.end_col_offset)


def call_in(text: bytes) -> Call:
    """The outermost call of a module that is one expression statement or assignment, as the index would give it."""
    statement = ast.parse(text).body[0]
    assert isinstance(statement, ast.Expr | ast.Assign)
    node = statement.value
    assert isinstance(node, ast.Call)
    found = []
    for value in node.args:
        star = isinstance(value, ast.Starred)
        inner = value.value if isinstance(value, ast.Starred) else value
        literal = inner.value if isinstance(inner, ast.Constant) else None
        found.append(
            Argument("*" if star else None, *span(text, inner), literal, is_literal=isinstance(inner, ast.Constant))
        )
    for keyword in node.keywords:
        value = keyword.value
        constant = isinstance(value, ast.Constant)
        literal = value.value if isinstance(value, ast.Constant) else None
        found.append(Argument(keyword.arg or "**", *span(text, value), literal, is_literal=constant))
    return Call(*span(text, node), arguments=tuple(sorted(found, key=lambda a: a.start)))


def applied(text: bytes, edits: Iterable[TextEdit]) -> bytes:
    """The text after the edits, which must not overlap."""
    out, at = b"", 0
    for edit in sorted(set(edits)):
        assert edit.start >= at, f"overlap at {edit}"
        out += text[at : edit.start] + edit.text.encode()
        at = edit.end
    return out + text[at:]
