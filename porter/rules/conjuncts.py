"""Questions of one condition: beside an answer that stays CUDA's they are never asked, beside such a call they fail."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from porter.index.outline import Span
from porter.index.site import Site
from porter.rules.around.keeper import stays
from porter.rules.base import Context, Judgement
from porter.rules.placement.flags import flag
from porter.rules.policy import by_hand

_NAMED = re.compile(rb"\w+\s*(?::[^=\n]*)?=\s*\Z")


def conjuncts(results: list[Judgement], ctx: Context) -> list[Judgement]:
    """``bad_fork is None and torch.cuda.is_initialized()``: parts of one condition change together, or stay."""
    answers = {(r.site.scope, name): r.site.line for r in results if (name := _name(r, ctx)) is not None}
    failing = {span: r.site.line for r in results if _fails(r) for span in _other_parts(r.site, ctx)}

    def held(result: Judgement) -> Judgement:
        asks = result.site.kind in ("symbol", "method") or result.rule == "cuda-device-comparison"
        if not result.edited or not asks:
            return result
        around = (result.site.scope, "")
        line = next((answers[s, n] for n in _beside(result.site, ctx) for s in around if (s, n) in answers), None)
        line = next((failing[span] for span in failing if span.holds(result.site.start)), line)
        if line is None:
            return result
        what = "the rest of its condition" if line == result.site.line else f"line {line} belongs to it, and"
        return by_hand(result, f"{what} stays: port both together")

    return [held(r) for r in results] if answers or failing else results


def _fails(result: Judgement) -> bool:
    """Whether a judgement is of a call to CUDA's runtime that stays: it raises where there is no CUDA."""
    site = result.site
    return stays(result) and site.role == "call" and site.name.startswith("torch.cuda.")


def _other_parts(site: Site, ctx: Context) -> Iterator[Span]:
    """The other parts of an ``and`` or ``or``: they decide whether a site is evaluated, or are evaluated behind it."""
    outline = ctx.outline()
    for node in outline.expressions(site.start, site.end):
        if isinstance(node, ast.BoolOp):
            yield from (span for span in map(outline.span, node.values) if not span.holds(site.start))


def _name(result: Judgement, ctx: Context) -> str | None:
    """The variable that is given what a question for CUDA says which stays; how many devices there are is a number."""
    site = result.site
    if not stays(result) or site.statement is None:
        return None
    if not site.name.startswith("torch.cuda") or site.name == "torch.cuda.device_count":
        return None
    if _NAMED.fullmatch(ctx.source.text, site.statement.start, site.start) is None:
        return None
    name = flag(site, ctx)
    return name.decode() if name is not None else None


def _beside(site: Site, ctx: Context) -> Iterator[str]:
    """The names in the other parts of the conditions that a site is a part of."""
    for part in ctx.outline().joined(site.start, site.end):
        yield from (node.id for node in ast.walk(part) if isinstance(node, ast.Name))
