"""Collectives and hooks that the Neuron backend does not have.

## What CUDA does

NCCL offers monitored barriers, uneven all-to-all, communication hooks and options of its own.

## On Neuron

No `monitored_barrier`, no RPC device maps, no NCCL options, even splits only; barriers on the default group.

## Example

```py
dist.monitored_barrier()
```

is reported: use `dist.barrier()`.
"""

from __future__ import annotations

import ast

import msgspec

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.distributed.backends import asked_of_nccl, is_options
from porter.rules.placement.behind import together
from porter.rules.placement.devices import ON_CUDA, is_chosen, judge_none_elsewhere
from porter.rules.table import action_of, judge_by_row, judgement
from porter.rules.uses import has_uses


@rule("PRT506", "unsupported-collective")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue; what only NCCL takes is for CUDA alone."""
    if has_uses(site, ctx):
        return Dismissed(site, "part")
    if site.kind == "argument" and action_of(ctx.answer(row)) == "rule":
        if asked_of_nccl(site, ctx):
            return judgement(site, row, ctx, verdict=Verdict.PORTABLE, advice="passed only to NCCL")
        if is_chosen(ctx.text(site.start, site.end), site, ctx):
            return judgement(site, row, ctx, verdict=Verdict.PORTABLE, advice="chosen where it is set")
        return judge_none_elsewhere(site, row, ctx, ON_CUDA)
    if not is_options(site):
        return judge_by_row(site, row, ctx)
    if _is_left_to_callers(site, ctx):
        return judgement(site, row, ctx, verdict=Verdict.PORTABLE, advice="None, unless a caller says otherwise")
    judged = judge_by_row(site, row, ctx)
    if isinstance(judged, Dismissed):
        return judged
    return msgspec.structs.replace(judged, group=together(site))


def _is_left_to_callers(site: Site, ctx: Context) -> bool:
    """Whether options are a parameter that the function around the call hands on, and None where it is not given."""
    function, name = ctx.outline().innermost(site.start), ctx.text(site.start, site.end)
    if function is None:
        return False
    named = (n for n in ast.walk(function) if isinstance(n, ast.Name) and n.id == name)
    given = [constant.value for constant in ctx.outline().constants(site.start, site.end)]
    return given == [None] and all(isinstance(n.ctx, ast.Load) for n in named)
