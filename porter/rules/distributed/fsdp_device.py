"""Sharding that is told its CUDA device: FSDP, device meshes.

## What CUDA does

`FullyShardedDataParallel(device_id=...)` and `init_device_mesh("cuda", ...)` place shards.

## On Neuron

FSDP2 (`fully_shard`) is what the vendor documents; FSDP1 is known to run in parts. Device meshes take `"neuron"`.

## When porter rewrites

The device that is passed is rewritten where it stands, by the rule for what it is: a string, or
`torch.cuda.current_device()`. Here only a call of FSDP1 is reported, as something to test.

## Example

```py
mesh = init_device_mesh("cuda", (8,))
```

becomes

```py
mesh = init_device_mesh("neuron", (8,))
```
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judgement
from porter.rules.uses import asks_class, judge_use


@rule("PRT505", "fsdp-device")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge calls; an argument is judged by the device in it, which is a site of its own."""
    if site.kind == "argument":
        return Dismissed(site, "part" if _holds_device(site, ctx) else "agnostic")
    if asks_class(site, ctx) or (site.role != "call" and site.kind == "symbol"):
        return Dismissed(site, "agnostic")
    return judgement(site, row, ctx) if site.role == "call" else judge_use(site, row, ctx)


def _holds_device(site: Site, ctx: Context) -> bool:
    return any(s is not site and site.start <= s.start and s.end <= site.end for s in ctx.sites)
