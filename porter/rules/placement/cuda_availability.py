"""`torch.cuda.is_available()` asks for one vendor's GPU: on Neuron the program falls back to the CPU and nobody notices.

## What CUDA does

True where PyTorch was built with CUDA and a GPU is there.

## On Neuron

`torch.neuron.is_available()`. `import torch` alone registers the backend; where `torch_neuronx` is not installed, `torch.neuron`
does not exist, and the call raises AttributeError.

## Example

```py
device = "cuda" if torch.cuda.is_available() else "cpu"
```

becomes

```py
device = "neuron" if torch.neuron.is_available() else "cpu"
```
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.placement.branches import blocked_behind
from porter.rules.table import judge_by_row, judgement, subject


@rule("PRT108", "cuda-availability")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by what runs behind the test."""
    outer = site.call or site
    blocked = blocked_behind(site, ctx) if site.parent in ("test", "BoolOp") else None
    if blocked is not None and outer is not None:
        advice = f"left as it is: it keeps Neuron out of `{blocked.name}`, which has no equivalent there"
        return judgement(site, row, ctx, verdict=Verdict.PORTABLE, message=f"{subject(site)} {row.summary}", advice=advice)
    return judge_by_row(site, row, ctx)
