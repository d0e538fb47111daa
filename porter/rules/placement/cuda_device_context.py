"""The current CUDA device, its number and its count: bookkeeping that differs where one process owns one core.

## What CUDA does

`set_device`, `current_device`, `device_count` and `with torch.cuda.device(i)` choose and count the GPUs of this
process.

## On Neuron

The same names under `torch.neuron`. In a distributed run `set_device` must come after `init_process_group`
(see `device-before-process-group`), and `device_count()` is then the local world size, not the machine's capacity.

## Example

```py
torch.cuda.set_device(local_rank)
```

becomes

```py
torch.neuron.set_device(local_rank)
```
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.placement.devices import argument_around
from porter.rules.uses import judge_use


@rule("PRT109", "cuda-device-context")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue, where the name is used."""
    if argument_around(site, ctx) is not None:
        return Dismissed(site, "part")
    return judge_use(site, row, ctx)
