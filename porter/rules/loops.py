"""Loops over the devices of a process: without any they do nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from porter.index.outline import Span
from porter.index.site import Site
from porter.rules.base import Context, Judgement
from porter.rules.kernels.known import STAYS
from porter.rules.placement.flags import flag, reads
from porter.rules.policy import by_hand


def loops(results: list[Judgement], ctx: Context) -> list[Judgement]:
    """``for i in range(torch.cuda.device_count())``: a count waits for what asks CUDA of each device."""
    if not any(_counts(r) for r in results):
        return results
    staying = [r.site for r in results if not r.edited and r.verdict in STAYS and r.site.name.startswith("torch.cuda.")]

    def held(result: Judgement) -> Judgement:
        if not _counts(result):
            return result
        spans = list(_bodies(result.site, ctx)) if staying else []
        kept = next((s for s in staying if any(span.holds(s.start) for span in spans)), None)
        if kept is None:
            return result
        return by_hand(result, f"for each device comes line {kept.line}, which stays CUDA: port both together")

    return [held(r) for r in results]


def _counts(result: Judgement) -> bool:
    return result.edited and result.site.name == "torch.cuda.device_count" and result.site.role == "call"


def _bodies(count: Site, ctx: Context) -> Iterator[Span]:
    """What is done for each of the devices that are counted, by the loop that counts them or by their number's name."""
    outline, name = ctx.outline(), flag(count, ctx)
    numbered = reads(name) if name is not None else None
    for node in ast.walk(outline.innermost(count.start) or outline.tree):
        match node:
            case ast.For(iter=over):
                pass
            case (
                ast.ListComp(generators=[loop])
                | ast.SetComp(generators=[loop])
                | ast.DictComp(generators=[loop])
                | ast.GeneratorExp(generators=[loop])
            ):
                over = loop.iter
            case _:
                continue
        span = outline.span(over)
        named = numbered is not None and numbered.search(ctx.source.text, span.start, span.end) is not None
        if named or span.holds(count.start):
            yield outline.span(node)
