"""Extensions built from CUDA sources, and custom operators with a CUDA implementation only.

## What CUDA does

`CUDAExtension`, `load_inline(cuda_sources=...)` and `torch.library` bind native kernels.

## On Neuron

No CUDA compiler, no CUDA kernels: NKI for the kernel, or a fallback in PyTorch operators.

## Example

```py
CUDAExtension("ops", ["ops.cpp", "ops.cu"])
```

is reported as `blocked`.
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judge_by_row


@rule("PRT603", "cuda-extension")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue."""
    return judge_by_row(site, row, ctx)
