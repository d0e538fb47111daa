"""Arguments by which frameworks choose CUDA or fp16.

## What CUDA does

Hugging Face, Lightning, accelerate and DeepSpeed take the device, precision and strategy as arguments.

## On Neuron

transformers, accelerate, diffusers and TRL know Neuron and choose it themselves; prefer bf16. Lightning has no Neuron
accelerator, DeepSpeed no Neuron support.

## Example

```py
Trainer(accelerator="gpu")
```

is reported.
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judge_by_row
from porter.rules.uses import is_asked_for


@rule("PRT703", "framework-argument")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue; what a class is only asked for is reported where it is made."""
    if is_asked_for(site, ctx):
        return Dismissed(site, "part")
    return judge_by_row(site, row, ctx)
