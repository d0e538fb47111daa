"""Operators that run on the host, or slowly, on Neuron.

## What CUDA does

CUDA has kernels for all of them.

## On Neuron

Linear algebra decompositions, FFTs and sorts fall back to the CPU or do not compile.

## Example

```py
q, r = torch.linalg.qr(x)
```

is reported: it runs on the host.
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judge_by_row


@rule("PRT903", "slow-operator", default=False)
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue."""
    return judge_by_row(site, row, ctx)
