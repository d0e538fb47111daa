"""`DistributedDataParallel(device_ids=[...], output_device=...)` names the GPU of this process by its number.

## What CUDA does

One number per process: inputs are moved there. Several numbers: one process drives several GPUs.

## On Neuron

The number must be the local rank, or the arguments be left out: the module's own device decides. With the local rank they
work as they are.

## Example

```py
model = DistributedDataParallel(model, device_ids=[local_rank])
```

stays.
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judge_by_row, judgement


@rule("PRT503", "ddp-device-ids")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """One device by a computed number is the local rank, as far as a reader can tell; fixed numbers are not."""
    if site.kind != "argument":
        return judge_by_row(site, row, ctx)
    text = ctx.text(site.start, site.end)
    several = "," in text.strip("[]() ,") or "range" in text
    fixed = any(part.strip().isdigit() for part in text.strip("[]()").split(","))
    if several or fixed:
        return judgement(
            site,
            row,
            ctx,
            verdict=Verdict.MANUAL,
            message=f"`{site.name.rpartition('(')[2][:-1]}={text}` names devices by number",
            advice="pass the local rank, or leave the argument out: the module's device decides",
        )
    return judgement(site, row, ctx, verdict=Verdict.PORTABLE, advice="works as it is where the number is the local rank")
