"""Optimizers fused for CUDA.

## What CUDA does

`capturable=True`, Apex's, DeepSpeed's and bitsandbytes' optimizers run one kernel for all parameters.

## On Neuron

`torch.optim.AdamW(fused=True)` works; `capturable` serves CUDA graphs only; the packages have no Neuron build, and the
optimizers of `torch.optim` take their place.

## When porter rewrites

The class and its arguments together. What torch calls otherwise is renamed, what it does without is dropped where it
says nothing else than torch does, and defaults that differ are stated: Apex's FusedAdam decays no weights unless told
to. Weight decay of bitsandbytes' Adam is AdamW's. An argument that means more (`bias_correction=False`), a call whose
arguments are unpacked, and a class whose import may fail are left to a person, and so are optimizers handed to
`deepspeed.initialize`.

## Example

```py
from apex.optimizers import FusedAdam

optimizer = FusedAdam(model.parameters(), lr=1e-4, adam_w_mode=True)
```

becomes

```py
from torch.optim import AdamW

optimizer = AdamW(model.parameters(), lr=1e-4, weight_decay=0.0)
```
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.counterpart import judge_counterpart
from porter.rules.table import by_hand
from porter.rules.uses import asks_class, is_asked_for, may_be_missing


@rule("PRT605", "fused-optimizer")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge where an optimizer is made, or asked for by its class; its import stands for itself only where none is."""
    if site.role == "import" and any(s.call is not None for s in ctx.where("alias", site.start)):
        return Dismissed(site, "part")
    moves = row.signature is not None and not may_be_missing(site, ctx)
    if is_asked_for(site, ctx) and not (moves and (asks_class(site, ctx) or site.role == "annotation")):
        return Dismissed(site, "part")
    if site.name.startswith("deepspeed.") and (other := _engine(ctx)) is not None:
        return by_hand(site, row, ctx, f"line {other.line} hands the training to DeepSpeed: port both together")
    return judge_counterpart(site, row, ctx)


def _engine(ctx: Context) -> Site | None:
    """Where the file hands a model to DeepSpeed."""
    return next((s for s in ctx.where("name", "deepspeed.initialize") if s.role == "call"), None)
