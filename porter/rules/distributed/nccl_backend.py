"""The process group backend `"nccl"` speaks to NVIDIA GPUs only.

## What CUDA does

NCCL runs collectives between GPUs.

## On Neuron

The backend is `"neuron"`, in composite strings too (`"cpu:gloo,neuron:neuron"`). The process group must be created before
anything else touches a device.

## When porter rewrites

The string must reach `init_process_group` or another place that takes a backend. Comparisons of a value that does change
with it.

## Example

```py
dist.init_process_group("nccl")
```

becomes

```py
dist.init_process_group("neuron")
```
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.index.summary import Mark
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Edits, Judgement, rule
from porter.rules.table import by_hand, judge_by_row, judgement


@rule("PRT501", "nccl-backend")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge a backend string by where it ends up; symbols by the catalogue."""
    if site.kind != "backend":
        return judge_by_row(site, row, ctx)
    message = f'process group backend `"{site.name}"`'
    found = _evidence(site, ctx)
    if found is None:
        if site.use in ("text", "argument", "element") and site.place is None:
            return Dismissed(site, "text")
        return by_hand(site, row, ctx, "no process group that porter can see takes this value", message=message)
    edits = _edits(site, ctx) if ctx.edits and site.editable else None
    verdict = Verdict.AUTO if found.certain and "," not in site.name else Verdict.REVIEW
    return judgement(site, row, ctx, verdict=verdict, message=message, edits=edits)


def _evidence(site: Site, ctx: Context) -> Mark | None:
    if site.sink == "backend":
        return Mark(site.place or "", "backend", site.detail, certain=site.certain)
    if site.use == "compare":
        held = ctx.project.holds(site.place, "backend", ctx.module)
        known = site.detail.endswith("get_backend()") or site.detail.startswith(("dist.get_backend", "torch.distributed"))
        return held or (Mark("", "backend", site.detail) if known else None)
    return ctx.project.reaches(site.place, "backend", ctx.module)


def _edits(site: Site, ctx: Context) -> Edits | None:
    from porter.rewrite.calls import replace_in_string

    text = ctx.source.text
    found: list[Edits] = []
    for old, new in (("nccl", ctx.target.backend), ("NCCL", ctx.target.backend), ("cuda", ctx.target.device)):
        edits = replace_in_string(text, site.start, site.end, old, new)
        if edits is not None:
            found.append(edits)
    return tuple(sorted(edit for edits in found for edit in edits)) or None
