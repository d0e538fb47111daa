"""Lines that rules add to a program."""

from __future__ import annotations

from porter.index.site import Statement
from porter.rules.base import Context, Edits


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
