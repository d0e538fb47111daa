"""Tests of the device that choose float16 and nothing else: ported, they give it to the target, which is for review."""

from __future__ import annotations

import ast
import re

import msgspec

from porter.index.outline import dotted
from porter.model import Effort, Verdict
from porter.rules.base import Context, Judgement
from porter.rules.table import sentence
from porter.rules.tested import is_test

_HALF = re.compile(rb"\bfloat16\b|\bhalf\b")


def gates(results: list[Judgement], ctx: Context) -> list[Judgement]:
    """``dtype = torch.float16 if x.device.type == "cuda" else torch.float32``, and the like."""
    row = ctx.catalogue.find("symbol", "torch.float16")
    if row is None or ctx.answer(row).verdict is not Verdict.REVIEW or not ctx.says(_HALF):
        return results
    outline = ctx.outline()
    asking = {test.site.start for test in filter(is_test, results)}
    rewritten = [r.site.start for r in results if r.rule == "half-precision" and r.edited]

    def told(result: Judgement) -> Judgement:
        if result.verdict is not Verdict.AUTO or result.site.start not in asking:
            return result
        nodes = [node for arm in outline.arms(result.site.start) for node in arm]
        if not nodes or not all(_is_half(n) and not any(map(outline.span(n).holds, rewritten)) for n in nodes):
            return result
        advice = f"{result.advice} {sentence(f'it chooses float16. {ctx.answer(row).note}')}"
        return msgspec.structs.replace(result, verdict=Verdict.REVIEW, advice=advice, effort=Effort.MINUTES)

    return [told(r) for r in results]


def _is_half(node: ast.stmt | ast.expr) -> bool:
    """Whether a piece of code is float16, a name that is given it, or a conversion to it."""
    match node:
        case ast.Assign(value=value) | ast.Expr(value=value):
            return _is_half(value)
        case ast.Attribute(attr="float16" | "half"):
            return (dotted(node) or "").startswith(("torch.", "th."))
        case ast.Call(func=ast.Attribute(attr="half"), args=[]):
            return True
    return False
