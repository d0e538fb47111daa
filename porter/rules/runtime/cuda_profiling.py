"""NVTX ranges, the CUDA profiler, and profiler options that name CUDA.

## What CUDA does

NVTX ranges show up in Nsight; `ProfilerActivity.CUDA` records GPU kernels; tables sort by `cuda_time_total`.

## On Neuron

There is no NVTX. `torch.profiler.record_function` marks ranges on every device; device time is read with Neuron Explorer.

## Example

```py
torch.cuda.nvtx.range_push("forward")
```

is reported: use `with torch.profiler.record_function("forward"):` around the same lines.
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judge_by_row


@rule("PRT205", "cuda-profiling")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue."""
    return judge_by_row(site, row, ctx)
