"""`torch.inference_mode` makes tensors without version counters, which a lazy device needs.

## What CUDA does

Under inference mode nothing is recorded for a backward pass, nor may it ever be: a little faster than `torch.no_grad`.

## On Neuron

The native backend has it. Over PyTorch/XLA (Trn1, Inf2) an operation on a parameter that was made outside raises
`Cannot set version_counter for inference tensor`: `torch.no_grad` computes the same.

## When porter rewrites

Only for the target `xla`, and not in tests that speak of no device. `torch.inference_mode(False)` and a mode that is
computed are left.

## Example

```py
@torch.inference_mode()
def generate(model, tokens): ...
```

becomes

```py
@torch.no_grad()
def generate(model, tokens): ...
```
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.counterpart import judge_counterpart
from porter.rules.uses import has_uses, is_cpu_test


@rule("PRT211", "inference-mode")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the row's signature."""
    if is_cpu_test(site, ctx):
        return Dismissed(site, "agnostic")
    return Dismissed(site, "part") if has_uses(site, ctx) else judge_counterpart(site, row, ctx)
