"""Optimizers fused for CUDA.

## What CUDA does

`fused=True`, `capturable=True` and apex's optimizers run one kernel for all parameters.

## On Neuron

`torch.optim.AdamW(fused=True)` works; `capturable` serves CUDA graphs only; apex has no Neuron build, and the
optimizers of `torch.optim` take its place. Their defaults differ: a person compares them.

## Example

```py
optimizer = apex.optimizers.FusedAdam(model.parameters())
```

is reported with the optimizer of PyTorch that takes its place.
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judge_by_row
from porter.rules.uses import is_asked_for


@rule("PRT605", "fused-optimizer")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge where an optimizer is made; its import stands for itself only where none is."""
    if is_asked_for(site, ctx):
        return Dismissed(site, "part")
    if site.role == "import" and any(s.alias == site.start and s.call is not None for s in ctx.sites):
        return Dismissed(site, "part")
    return judge_by_row(site, row, ctx)
