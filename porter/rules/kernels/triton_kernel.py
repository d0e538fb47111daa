"""Triton kernels are compiled for GPUs only.

## What CUDA does

`@triton.jit` functions are compiled to PTX and launched on a grid.

## On Neuron

No equivalent: write the kernel with NKI (`@nki.jit` and `torch_neuronx.nki_op`), or take the PyTorch reference that
most kernels are tested against.

## Example

```py
@triton.jit
def kernel(x_ptr, n: tl.constexpr): ...
```

is reported as `blocked`; nothing inside the kernel is ever edited.
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judge_by_row


@rule("PRT602", "triton-kernel")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue."""
    return judge_by_row(site, row, ctx)
