"""Lines that rules add to a program, and blocks that move."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from porter.index.site import Statement
from porter.rules.base import Context, Edits, TextEdit

_INDENT = re.compile(rb"[ \t]*(?=[^\s\\])")


def line_behind(statement: Statement, text: str, ctx: Context) -> Edits | None:
    """``text`` as a line of its own behind a statement; None where that shares its line with others."""
    source = ctx.source.text
    before = source[source.rfind(b"\n", 0, statement.start) + 1 : statement.start]
    line = source.find(b"\n", statement.end)
    at = line - source.startswith(b"\r", line - 1) if line >= 0 else len(source)
    if before.strip() or source[statement.end : at].lstrip().startswith(b";"):
        return None
    newline = "\r\n" if source.startswith(b"\r\n", at) else "\n"
    return ctx.edit(at, at, f"{newline}{before.decode()}{text}")


def movable(lines: range, ctx: Context) -> bool:
    """Whether lines can be indented: none of them is one that a text begun above goes on in."""
    inside = ctx.once(_of_texts)
    return not any(line in inside for line in lines)


def _of_texts(ctx: Context) -> set[int]:
    """The lines that a text begun above goes on in."""
    outline = ctx.outline()
    texts = [outline.span(n) for n in outline.nodes if isinstance(n, ast.JoinedStr) or _is_text(n)]
    return {n for t in texts for n in range(outline.line(t.start) + 1, outline.line(t.end) + 1)}


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)


def indented(lines: Iterable[int], ctx: Context, unit: str = "") -> list[TextEdit]:
    """A level, ``unit`` or what the line has, for each time that a line is named, where its text begins."""
    text, edits, levels = ctx.source.text, [], list(lines)
    for line in set(levels):
        found = _INDENT.match(text, ctx.source.line_starts[line - 1])
        if found is not None:
            own = unit or ("\t" if b"\t" in found.group() else "    ")
            edits.append(TextEdit(found.end(), found.end(), own * levels.count(line)))
    return edits


def wrapped(first: ast.stmt, last: ast.stmt, header: str, unit: str, ctx: Context) -> list[TextEdit] | None:
    """The edits that put statements of one block under ``header``; None where the lines are not theirs alone."""
    outline, text = ctx.outline(), ctx.source.text
    start, end = outline.span(first).start, outline.span(last).end
    before = text[text.rfind(b"\n", 0, start) + 1 : start]
    lines = range(outline.line(start) + 1, outline.line(end - 1) + 1)
    if before.strip() or text[end:].lstrip(b" \t").startswith(b";") or not movable(lines, ctx):
        return None
    opening = TextEdit(start, start, f"{header}{ctx.source.newline}{before.decode()}{unit}")
    return [opening, *indented(lines, ctx, unit)]


def bared(start: int, block: list[ast.stmt], ctx: Context) -> list[TextEdit] | None:
    """The edits that leave, of the compound statement at ``start``, one of its blocks in its place.

    None where a comment would go, or where the lines cannot move.
    """
    outline, text = ctx.outline(), ctx.source.text
    first, end = outline.span(block[0]).start, outline.span(block[-1]).end
    lines = range(outline.line(first) + 1, outline.line(end - 1) + 1)
    starts = ctx.source.line_starts
    shift = (first - starts[outline.line(first) - 1]) - (start - starts[outline.line(start) - 1])
    if b"#" in text[start:first] or not movable(lines, ctx) or text[end:].lstrip(b" \t").startswith(b";"):
        return None
    if outline.line(first) == outline.line(start):
        return [TextEdit(start, first, "")]
    moved = []
    for line in lines:
        begins = starts[line - 1]
        found = _INDENT.match(text, begins)
        if found is not None:
            moved.append(TextEdit(begins, min(begins + shift, found.end()), ""))
    return [TextEdit(start, first, ""), *(edit for edit in moved if edit.end > edit.start)]
