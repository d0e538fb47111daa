"""CUDA graphs: capture once, replay often.

## What CUDA does

`torch.cuda.CUDAGraph`, `torch.cuda.graph` and `make_graphed_callables` record kernels and replay them without launch cost.

## On Neuron

No equivalent. `torch.compile(model, backend="neuron")` serves the purpose: take capture and replay out.

## Example

```py
graph = torch.cuda.CUDAGraph()
```

stays, and is reported as `blocked`.
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judge_by_row


@rule("PRT204", "cuda-graph")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue."""
    return judge_by_row(site, row, ctx)
