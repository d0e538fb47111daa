"""Page-locked host memory for copies to an NVIDIA GPU.

## What CUDA does

`pin_memory=True` in a DataLoader and `tensor.pin_memory()` make copies asynchronous.

## On Neuron

Harmless: PyTorch pins for the accelerator that is there, and host memory counts as pinned with `torch_neuronx`. The argument
`pin_memory_device` is deprecated in PyTorch itself.

## Example

```py
loader = DataLoader(data, pin_memory=True)
```

stays: it works on Neuron.
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judge_by_row


@rule("PRT401", "pinned-memory")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue."""
    return judge_by_row(site, row, ctx)
