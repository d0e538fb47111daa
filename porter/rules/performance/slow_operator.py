"""Operators that run on the host, or slowly, on Neuron.

## What CUDA does

CUDA has kernels for all of them.

## On Neuron

Fourier transforms do not compile, sorts over other dimensions than the last run on the CPU, interpolation becomes
thousands of small gathers.

## Example

```py
spectrum = torch.fft.fft(x)
```

is reported: complex numbers do not compile.
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judge_by_row

# Fine over the last dimension: where ``dim`` stands as a function; as a method it is one less.
_LAST = {"topk": 2, "argsort": 1}


@rule("PRT903", "slow-operator", default=False)
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue, but for what is fast over the last dimension."""
    position = _LAST.get(site.name.rpartition(".")[2])
    if position is not None and site.call is not None and not site.call.unpacked:
        dim = site.call.get("dim", position - (site.receiver is not None))
        if dim is None or dim.literal == -1:
            return Dismissed(site, "agnostic")
    return judge_by_row(site, row, ctx)
