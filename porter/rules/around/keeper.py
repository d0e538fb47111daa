"""Code in which nothing is edited, as it stays CUDA's as a whole."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import msgspec

from porter.index.outline import Function, Span, dotted
from porter.rules.base import Context, Judgement
from porter.rules.kernels.known import STAYS


class Keeper(msgspec.Struct, frozen=True):
    """Code in which nothing is edited, and why: a person has to port it, or it never runs without CUDA."""

    span: Span
    why: str
    runs: bool = True
    rule: str = ""  # the one rule whose edits it keeps back; empty for all
    first: bool = True  # it is to be ported before what has a reason of its own to stay


def stays(result: Judgement) -> bool:
    """Whether a use stays CUDA's, for a person to port or for good."""
    return result.verdict in STAYS and not result.edited


def whole_function(place: int, why: str, ctx: Context) -> Iterator[Keeper]:
    """The function around a place, with decorators; all of an ``autograd.Function``: its passes share the kernel."""
    outline = ctx.outline()
    function = outline.function(place)
    if function is None:
        return
    classes = (node for node in outline.around(place) if isinstance(node, ast.ClassDef))
    whole = next((c for c in classes if any((dotted(b) or "").endswith("Function") for b in c.bases)), function)
    yield Keeper(decorated(whole, ctx), why)


def decorated(node: Function | ast.ClassDef, ctx: Context) -> Span:
    """Where a function or class stands, with its decorators."""
    span = ctx.outline().span
    return Span(min(span(part).start for part in (node, *node.decorator_list)), span(node).end)
