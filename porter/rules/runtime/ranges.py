"""Ranges that two statements of one block open and close, as blocks of a context manager."""

from __future__ import annotations

import ast

from porter.index.site import Site
from porter.rules.base import Context, Edits, TextEdit, named
from porter.rules.lines import indented, movable

_PUSH, _POP = "torch.cuda.nvtx.range_push", "torch.cuda.nvtx.range_pop"


def as_blocks(site: Site, manager: str, ctx: Context) -> tuple[int, Edits] | None:
    """Where the block of a push or pop begins, and the edits that make all its pairs ``with manager(name):``.

    None where they do not pair off, where nothing stands between them, or where a text over several lines would change.
    """
    outline = ctx.outline()
    block = outline.block(site.start)
    marks = {s.statement.start: s for s in ctx.sites if s.name in (_PUSH, _POP) and s.statement and s.statement.alone}
    here = {outline.span(statement).start for statement in block}
    elsewhere = [mark for start, mark in marks.items() if start not in here]
    pairs: list[tuple[Site, Site]] = []
    opened: list[Site] = []
    for statement in block:
        mark = marks.get(outline.span(statement).start)
        if mark is not None and mark.name == _PUSH:
            opened.append(mark)
        elif mark is not None:
            if not opened:
                return None
            pairs.append((opened.pop(), mark))
    if opened or not pairs or any(a.start < s.start < b.start for a, b in pairs for s in elsewhere):
        return None
    edits = indented((line for pair in pairs for line in _between(*pair, ctx)), ctx)
    for pair in pairs:
        made = _pair(*pair, manager, len(block), ctx)
        if made is None:
            return None
        edits += made
    return outline.span(block[0]).start, tuple(sorted(edits))


def _pair(push: Site, pop: Site, manager: str, siblings: int, ctx: Context) -> Edits | None:
    """The edits of a pair, but for what stands between."""
    from porter.rewrite.calls import CallEditor, delete_statement

    assert push.statement is not None and pop.statement is not None
    text, between = ctx.source.text, _between(push, pop, ctx)
    gone = delete_statement(text, pop.statement.start, pop.statement.end, siblings)
    alone = text.rfind(b"\n", 0, push.start) + 1
    if gone is None or push.call is None or len(push.call.arguments) != 1 or text[alone : push.start].strip():
        return None
    if b";" in text[push.call.end : text.find(b"\n", push.call.end)] or not _indentable(between, ctx):
        return None
    editor, message = CallEditor(text, push.call), push.call.arguments[0]
    renamed = editor.rename_keyword(message, "name").edits() if message.keyword is not None else ()
    begun = TextEdit(push.start, push.end, f"with {named(manager)}"), TextEdit(push.call.end, push.call.end, ":")
    return None if renamed is None else (*begun, *renamed, gone)


def _between(push: Site, pop: Site, ctx: Context) -> range:
    """The lines between a push and its pop."""
    assert push.statement is not None and pop.statement is not None
    return range(ctx.outline().line(push.statement.end) + 1, ctx.outline().line(pop.statement.start))


def _indentable(lines: range, ctx: Context) -> bool:
    """Whether there are lines to indent, all of which can be."""
    code = any(s.lineno in lines for s in ctx.outline().nodes if isinstance(s, ast.stmt))
    return code and movable(lines, ctx)
