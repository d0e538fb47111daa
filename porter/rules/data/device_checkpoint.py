"""`torch.save` writes tensors as they are: with the device in the file that they were on.

## What CUDA does

`torch.save(model.state_dict(), path)` writes CUDA tensors. Where there is no GPU, `torch.load` needs `map_location`.

## On Neuron

The native backend saves and loads likewise: files with Neuron tensors need `torch_neuronx` to load. Over PyTorch/XLA
(Trn1, Inf2) AWS says to save with `xm.save`, which copies everything to the CPU first; of several processes only one
writes.

## When porter rewrites

Only for the target `xla`, and where `torch.save` is given what `xm.save` takes: an object and a place.

## Example

```py
torch.save(model.state_dict(), "model.pt")
```

becomes

```py
xm.save(model.state_dict(), "model.pt")
```
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.counterpart import judge_counterpart
from porter.rules.uses import has_uses


@rule("PRT403", "device-checkpoint")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge a call by the row's signature."""
    return Dismissed(site, "part") if has_uses(site, ctx) else judge_counterpart(site, row, ctx)
