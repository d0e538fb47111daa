"""Tests of the device whose answer counts only where Triton is: they say where the program's kernels run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from porter.index.outline import Function, dotted
from porter.index.site import Site
from porter.rules.base import Context

_TRITON = re.compile(r"(?:^|[._])(?:is|has|have)_triton(?:_available|_installed)?$|(?:^|[._])triton_available$", re.I)


def for_triton(test: Site, ctx: Context) -> str | None:
    """What asks for Triton beside the test, in its own ``and``, or before every call of its function."""
    if b"riton" not in ctx.source.text and b"TRITON" not in ctx.source.text:
        return None
    if (found := _asked(ctx.outline().joined(test.start, test.end))) is not None:
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
    asked = [
        _asked(p for p in outline.joined(span.start, span.end) if outline.span(p).end <= span.start) for span in spans
    ]
    return asked[0] if all(asked) else None


def _asked(parts: Iterable[ast.expr]) -> str | None:
    """The name of Triton's presence that one of the parts of an ``and`` asks for."""
    names = (dotted(part.func if isinstance(part, ast.Call) else part) for part in parts)
    return next((name for name in names if name is not None and _TRITON.search(name)), None)
