"""Sharding that is told its CUDA device: FSDP, device meshes.

## What CUDA does

`FullyShardedDataParallel(device_id=...)` and `init_device_mesh("cuda", ...)` place shards.

## On Neuron

FSDP2 (`fully_shard`) is what the vendor documents; FSDP1 is known to run in parts. Device meshes take `"neuron"`.

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
from porter.rules.table import judge_by_row


@rule("PRT505", "fsdp-device")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue."""
    return judge_by_row(site, row, ctx)
