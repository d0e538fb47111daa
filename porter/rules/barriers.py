"""Barriers that a program tells apart by the backend: where both are one and the same, the test stays."""

from __future__ import annotations

import ast

from porter.index.outline import Span, dotted
from porter.rules.base import Context, Judgement
from porter.rules.distributed.backends import tests_nccl
from porter.rules.placement.flags import flag
from porter.rules.policy import leave

_BARRIER = "torch.distributed.barrier(device_ids)"


def barriers(results: list[Judgement], ctx: Context) -> list[Judgement]:
    """``if backend == "nccl": barrier(device_ids=[i]) else: barrier()``: the ``else`` says it already."""
    spans, flags = list[Span](), set[bytes]()
    for result in results:
        if not result.edited or result.site.name != _BARRIER:
            continue
        outline = ctx.outline()
        around = [outline.parent(result.site.start), *outline.expressions(result.site.start, result.site.end)]
        for node in around:
            match node:
                case (
                    ast.If(test=test, body=[ast.Expr(value=call)], orelse=[ast.Expr(value=other)])
                    | ast.IfExp(test=test, body=call, orelse=other)
                ) if _without_device(call) == ast.dump(other):
                    spans.append(outline.span(node))
                    flags.add((dotted(test) or "").encode())

    def held(result: Judgement) -> Judgement:
        chooses = judges_backend(result) and flag(result.site, ctx) in flags
        if not chooses and not any(span.holds(result.site.start) for span in spans):
            return result
        return leave(result, "the barrier of every other backend does the same")

    return [held(r) for r in results] if spans else results


def _without_device(call: ast.expr) -> str:
    """A call of ``barrier`` as it would be written."""
    if not isinstance(call, ast.Call):
        return ""
    return ast.dump(ast.Call(call.func, call.args, [k for k in call.keywords if k.arg != "device_ids"]))


def judges_backend(result: Judgement) -> bool:
    """Whether a judgement is about a test for NCCL."""
    return result.rule == "nccl-backend" and tests_nccl(result.site)
