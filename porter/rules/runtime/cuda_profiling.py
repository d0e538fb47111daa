"""NVTX ranges, the CUDA profiler, and profiler options that name CUDA.

## What CUDA does

NVTX ranges show up in Nsight; `ProfilerActivity.CUDA` records GPU kernels; tables sort by `cuda_time_total`.

## On Neuron

There is no NVTX: without CUDA its calls raise. `torch.profiler.record_function` marks ranges on every device; device
time is read with Neuron Explorer. `ProfilerActivity.CUDA` beside another activity costs a warning and no more.

## When porter rewrites

`nvtx.range(name)` becomes `record_function(name)`, and so do a push and its pop in one block: what stands between
them is indented below a `with`. A pair over several blocks takes a person. `ProfilerActivity.CUDA` leaves the list in
which `ProfilerActivity.CPU` stands.

## Example

```py
with torch.cuda.nvtx.range("forward"):
```

becomes

```py
with torch.profiler.record_function("forward"):
```
"""

from __future__ import annotations

import re

from porter.catalog.schema import Row
from porter.index.site import Call, Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Edits, Judgement, rule
from porter.rules.runtime.ranges import as_blocks
from porter.rules.table import action_of, by_hand, judgement
from porter.rules.uses import before, judge_use, stands_with

_COMMA_BEFORE = re.compile(rb"\s*,\s*\Z")
_COMMA_AFTER = re.compile(rb"\s*,\s*")
_OPEN = re.compile(rb"[\[(]\s*\Z")
_CLOSE = re.compile(rb"\s*(?:,\s*)?[\])]")


@rule("PRT205", "cuda-profiling")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge ranges and options by their shape, all else by the catalogue."""
    if site.name == "torch.cuda.nvtx.range" and site.call is not None:
        return _range(site, site.call, row, ctx)
    if site.name.endswith("ProfilerActivity.CUDA") and site.role == "load":
        return _activity(site, row, ctx)
    if site.kind == "string":
        return _column(site, row, ctx)
    if site.name.startswith("torch.cuda.nvtx.range_p") and site.call is not None and ctx.edits:
        return _pair(site, row, ctx)
    return judge_use(site, row, ctx)


def _range(site: Site, call: Call, row: Row, ctx: Context) -> Judgement:
    """``nvtx.range(msg, *args)`` formats; ``record_function(name)`` does not."""
    message = call.get("msg", 0)
    if call.unpacked or message is None or len(call.arguments) != 1:
        return by_hand(site, row, ctx, "porter sees no single name among its arguments")
    rename = ctx.answer(row).replacement if action_of(ctx.answer(row)) == "rename" else None
    edits: Edits | None = ()
    if ctx.edits and message.keyword is not None:
        from porter.rewrite.calls import CallEditor

        edits = CallEditor(ctx.source.text, call).rename_keyword(message, "name").edits()
    return by_hand(site, row, ctx) if edits is None else judgement(site, row, ctx, edits=edits, rename=rename)


def _pair(site: Site, row: Row, ctx: Context) -> Judgement:
    """A push and its pop become a block around what stands between them."""
    found = as_blocks(site, ctx.answer(row).replacement, ctx)
    if found is None:
        return by_hand(site, row, ctx)
    start, edits = found
    return judgement(site, row, ctx, edits=edits, group=f"ranges:{start}")


def _activity(site: Site, row: Row, ctx: Context) -> Judgement:
    """``[ProfilerActivity.CPU, ProfilerActivity.CUDA]`` loses the second; alone it becomes the first."""
    text = ctx.source.text
    ahead = before(site, ctx)
    alone = _OPEN.search(ahead) and not ahead.rstrip().endswith(b"(") and _CLOSE.match(text, site.end)
    if ctx.target.keeps_cuda and not alone:
        advice = "without CUDA torch warns, and profiles the rest"
        return judgement(site, row, ctx, verdict=Verdict.PORTABLE, advice=advice)
    if ctx.answer(row).verdict is not Verdict.REVIEW or not ctx.edits:
        return judgement(site, row, ctx)
    if _OPEN.search(ahead) and _CLOSE.match(text, site.end):
        if ahead.rstrip().endswith(b"("):  # `activities.append(...)`: torch warns, and goes on without it
            return judgement(
                site, row, ctx, verdict=Verdict.PORTABLE, advice="torch leaves it out where CUDA is absent"
            )
        return judgement(site, row, ctx, edits=ctx.edit(site.end - len("CUDA"), site.end, "CPU"))
    comma = _COMMA_BEFORE.search(ahead)
    following = _COMMA_AFTER.match(text, site.end)
    if comma is not None:
        return judgement(site, row, ctx, edits=ctx.edit(site.start - len(comma[0]), site.end, ""))
    if following is not None:
        return judgement(site, row, ctx, edits=ctx.edit(site.start, following.end(), ""))
    return by_hand(site, row, ctx)


def _column(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """A column of a profiler's table, where a call sorts by it."""
    if site.use == "keyword" and site.detail == "sort_by=":
        edit = ctx.text(site.start, site.end).replace(site.name, ctx.answer(row).replacement)
        return judgement(site, row, ctx, edits=ctx.edit(site.start, site.end, edit) if ctx.edits else ())
    replacement = ctx.answer(row).replacement
    if stands_with(replacement, site, ctx):
        advice = f"left as it is: `{replacement}` stands beside it"
        return judgement(site, row, ctx, verdict=Verdict.PORTABLE, advice=advice)
    return by_hand(site, row, ctx, "porter does not see a table that is sorted by it")
