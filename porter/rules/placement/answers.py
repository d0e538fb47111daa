"""Tests of the device whose answer counts only where Triton is: they say where the program's kernels run."""

from __future__ import annotations

import ast
import re

from porter.index.outline import Function, dotted
from porter.index.site import Site
from porter.rules.base import Context

_TRITON = re.compile(r"(?:^|[._])(?:is|has|have)_triton(?:_available|_installed)?$|(?:^|[._])triton_available$", re.I)


def for_triton(test: Site, ctx: Context) -> str | None:
    """What asks for Triton before the test, in its own ``and`` or in that of every call of its function."""
    if b"riton" not in ctx.source.text and b"TRITON" not in ctx.source.text:
        return None
    if (found := _asked_before(test.start, test.end, ctx)) is not None:
        return found
    function = ctx.outline().function(test.start)
    if function is None or function not in ctx.outline().tree.body:
        return None
    return _asked_by_callers(function, ctx)


def _asked_by_callers(function: Function, ctx: Context) -> str | None:
    """What asks for Triton before every call of a function that is this file's own; None if one goes without."""
    outline = ctx.outline()
    calls = [n for n in outline.nodes if isinstance(n, ast.Call) and dotted(n.func) == function.name]
    uses = [n for n in outline.nodes if isinstance(n, ast.Name) and n.id == function.name]
    if not calls or len(uses) != len(calls) or ctx.project.borrowed(f"{ctx.module}.{function.name}"):
        return None
    spans = map(outline.span, calls)
    asked = [_asked_before(span.start, span.end, ctx) for span in spans]
    return asked[0] if all(asked) else None


def _asked_before(start: int, end: int, ctx: Context) -> str | None:
    """The name of Triton's presence that an ``and`` around a place asks before it."""
    outline = ctx.outline()
    for part in (p for p in outline.joined(start, end) if outline.span(p).end <= start):
        name = dotted(part.func if isinstance(part, ast.Call) else part)
        if name is not None and _TRITON.search(name):
            return name
    return None
