"""Dtypes that CUDA has and Neuron has not, or not in the same way.

## What CUDA does

float64, complex numbers and FP8 run on NVIDIA GPUs.

## On Neuron

float64 is computed as float32, complex dtypes are refused (NCC_EVRF004), `float8_e4m3fn` needs Trn3 (NCC_EVRF051).

## Example

```py
x = torch.zeros(3, dtype=torch.complex64)
```

is reported where it is on: write it with real numbers.
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judge_by_row


@rule("PRT307", "device-dtype", default=False)
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue."""
    return judge_by_row(site, row, ctx)
