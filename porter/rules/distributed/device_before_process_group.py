"""`set_device` before `init_process_group`: the usual order on CUDA, and an error on Neuron.

## What CUDA does

Scripts choose the GPU first, so that NCCL binds to it.

## On Neuron

The backend insists that the runtime is not initialised before the process group, which itself assigns the core
(`NEURON_RT_VISIBLE_CORES`) and the default device. `set_device` comes after, or goes.

## When porter rewrites

Where both calls are statements of the same block and nothing between them uses the device, the call moves behind
`init_process_group`. Elsewhere porter renames it and says what to look at.

## Example

```py
torch.cuda.set_device(local_rank)
dist.init_process_group("nccl")
```

becomes

```py
dist.init_process_group("neuron")
torch.neuron.set_device(local_rank)
```
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Edits, Judgement, rule
from porter.rules.table import by_hand, judge_by_row, judgement

_INIT = "torch.distributed.init_process_group"


@rule("PRT504", "device-before-process-group")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge ``set_device`` by the first process group created behind it in the same function."""
    if not site.name.endswith(".set_device"):
        return judge_by_row(site, row, ctx)
    group = _process_group_behind(site, ctx)
    if group is None:
        return judge_by_row(site, row, ctx)
    message = f"`torch.cuda.set_device()` before `init_process_group()` in line {group.line}: an error on Neuron"
    edits = _moved(site, group, ctx) if ctx.edits else ()
    if ctx.edits and edits is None:
        why = "other statements stand between or around them: move it by hand, or delete it"
        return by_hand(site, row, ctx, why, message=message)
    return judgement(site, row, ctx, verdict=Verdict.REVIEW, message=message, edits=edits)


def _process_group_behind(site: Site, ctx: Context) -> Site | None:
    behind = (s for s in ctx.sites if s.name == _INIT and s.role == "call" and s.scope == site.scope and s.start > site.start)
    return min(behind, key=lambda s: s.start, default=None)


def _moved(site: Site, group: Site, ctx: Context) -> Edits | None:
    """Delete the statement and write it again, renamed, behind the process group's."""
    here, there = site.statement, group.statement
    if here is None or there is None or not here.alone or here.kind != "Expr" or there.kind != "Expr":
        return None
    if site.alias is not None or here.siblings < 2 or here.siblings != there.siblings or site.guards != group.guards:
        return None
    if _indent(ctx, here.start) is None or _indent(ctx, here.start) != _indent(ctx, there.start):
        return None
    used = [s for s in ctx.sites if here.end <= s.start < there.start and s.kind in ("symbol", "method", "device")]
    if used:
        return None
    from porter.rewrite.calls import delete_statement

    text = ctx.source.text
    gone = delete_statement(text, here.start, here.end, here.siblings)
    if gone is None:
        return None
    root = ctx.text(site.start, site.end).partition(".")[0]
    call = f"{root}.{ctx.target.runtime.partition('.')[2]}.set_device{ctx.text(site.end, here.end)}"
    written = ctx.edit(there.end, there.end, f"\n{_indent(ctx, there.start)}{call}")
    return (gone, *written)


def _indent(ctx: Context, start: int) -> str | None:
    """The white space before a statement; None where something else shares its line."""
    text = ctx.source.text
    line = text.rfind(b"\n", 0, start) + 1
    before = text[line:start]
    return None if before.strip() else before.decode()
