"""One process that drives several GPUs: `nn.DataParallel`, `mp.spawn` over devices.

## What CUDA does

`nn.DataParallel` splits each batch over the GPUs of one process.

## On Neuron

One process owns one core. Use `torchrun` and `DistributedDataParallel`:

```py
torch.distributed.init_process_group("neuron")
model = torch.nn.parallel.DistributedDataParallel(model.to("neuron"))
```

Asking `isinstance(model, nn.DataParallel)` does no harm.

## Example

```py
model = nn.DataParallel(model)
```

is reported: the launch changes with it, which no rewrite of a line can do.
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.uses import asks_class, judge_use


@rule("PRT502", "data-parallel")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge what splits a batch, not questions about it."""
    return Dismissed(site, "agnostic") if asks_class(site, ctx) else judge_use(site, row, ctx)
