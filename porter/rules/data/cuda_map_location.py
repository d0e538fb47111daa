"""`torch.load(..., map_location="cuda")` puts a checkpoint on an NVIDIA GPU as it is read.

## What CUDA does

Storages are moved to the GPU while the file is read; without the argument they return to the device they came from.

## On Neuron

Load to the CPU (`map_location="cpu"`) and move the module, or let `load_state_dict` copy into parameters that are on the
device already. That works for checkpoints of every origin.

## Example

```py
state = torch.load(path, map_location="cuda")
```

becomes

```py
state = torch.load(path, map_location="cpu")
```
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judgement


@rule("PRT402", "cuda-map-location")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge the whole argument; what stands inside it is part of it."""
    if site.kind != "argument":
        return Dismissed(site, "part")
    text = ctx.text(site.start, site.end)
    if "cuda" not in text:
        return Dismissed(site, "agnostic")
    message = f"`map_location` of `{site.name.partition('(')[0]}()` is on CUDA"
    edits = ctx.edit(site.start, site.end, '"cpu"') if site.editable else None
    return judgement(site, row, ctx, message=message, edits=edits)
