"""Flags of cuDNN, cuBLAS and TF32.

## What CUDA does

They choose algorithms and precision on NVIDIA GPUs.

## On Neuron

Most do nothing there and do no harm: assignments to `torch.backends.cudnn` run on any machine. Precision of matrix
products is the compiler's business: `NEURON_CC_FLAGS=--auto-cast=...`.

## Example

```py
torch.backends.cudnn.benchmark = True
```

stays: it has no effect on Neuron.
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judge_by_row, judgement
from porter.rules.uses import is_shown


@rule("PRT306", "cuda-backend-flag")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue; a version that is only shown may be None."""
    if site.name == "torch.backends.cudnn.version" and is_shown(site, ctx):
        advice = "it is None without cuDNN, and only shown here"
        return judgement(site, row, ctx, verdict=Verdict.PORTABLE, advice=advice)
    return judge_by_row(site, row, ctx)
