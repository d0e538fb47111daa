"""CUDA reached by other ways than its name: `getattr`, `torch.cuda` as an object, private bindings.

## What CUDA does

Programs look up `torch.cuda` at run time to stay generic, or reach below the public interface.

## On Neuron

`torch.get_device_module()` and `torch.accelerator` give the module of the device that is there. Private bindings have no
equivalent.

## Example

```py
module = getattr(torch, "cuda")
```

is reported: `torch.get_device_module(device)` is the generic form.
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judge_by_row


@rule("PRT208", "dynamic-cuda-access")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue."""
    return judge_by_row(site, row, ctx)
