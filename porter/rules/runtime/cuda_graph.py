"""CUDA graphs: capture once, replay often.

## What CUDA does

`torch.cuda.CUDAGraph`, `torch.cuda.graph` and `make_graphed_callables` record kernels and replay them without launch
cost.

## On Neuron

No equivalent. `torch.compile(model, backend="neuron")` serves the purpose: take capture and replay out. Annotations
and `isinstance` do no harm: the class exists in every build of PyTorch, and nothing is ever one.

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
from porter.rules.uses import asks_class, judge_use


@rule("PRT204", "cuda-graph")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge what captures and replays."""
    return Dismissed(site, "agnostic") if asks_class(site, ctx) else judge_use(site, row, ctx)
