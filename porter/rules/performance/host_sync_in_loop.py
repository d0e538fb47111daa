"""Reading a value back in every step stops the device.

## What CUDA does

`.item()`, `.cpu()` and `print(tensor)` wait for the GPU: cheap enough there to go unnoticed.

## On Neuron

Every read-back ends what the runtime may fuse and costs a transfer. Keep values on the device, read them every N steps.

## Example

```py
total += loss.item()
```

is reported inside loops: accumulate `loss.detach()` and read it once.
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judge_by_row


@rule("PRT901", "host-sync-in-loop", default=False)
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue."""
    return judge_by_row(site, row, ctx)
