"""A memory format that Neuron refuses.

## What CUDA does

`memory_format=torch.channels_last` speeds up convolutions on tensor cores.

## On Neuron

Tensors are contiguous or preserve their format; anything else raises RuntimeError.

## Example

```py
model = model.to(memory_format=torch.channels_last)
```

is reported: leave the argument out.
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judge_by_row


@rule("PRT904", "channels-last", default=False)
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue."""
    return judge_by_row(site, row, ctx)
