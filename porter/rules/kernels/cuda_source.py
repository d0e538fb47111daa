"""CUDA C++, PTX, and C++ that calls PyTorch's CUDA interface.

## What CUDA does

Kernels (`__global__`, `<<<...>>>`), runtime and library calls (`cudaMalloc`, cuBLAS, cuDNN, NCCL) and PyTorch's own C++
interface to them (`ATen/cuda`, `at::cuda::getCurrentCUDAStream`, `tensor.is_cuda()`).

## On Neuron

None of it runs, and nothing translates it. A kernel becomes an NKI kernel in Python (`@nki.jit`, called through
`torch_neuronx.nki_op`, with a backward of its own for training), or gives way to the PyTorch operators that it fused:
`torch.compile` fuses many of them again. Checks such as `TORCH_CHECK(x.is_cuda())` only have to let other devices pass.

## Example

```cpp
__global__ void scale(float* x, float a) { x[threadIdx.x] *= a; }
```

## What to do

Look for the reference in PyTorch that the tests compare the kernel with: it runs on Neuron as it is, and is the oracle
for an NKI kernel. A file is reported once for every kind of construct in it, at the first one, with the count.
"""

from __future__ import annotations

import re

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.environment.write import named, write

_NAME = re.compile(rb"[A-Za-z_][\w:./]+")


@rule("PRT604", "cuda-source")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue, and say how often the construct occurs."""
    times = f" ({site.detail})" if site.detail else ""
    exact = _NAME.fullmatch(ctx.source.text, site.start, site.end) and _NAME.match(ctx.source.text, site.start)
    name = exact.group().decode() if exact else site.name  # the catalogue's names stand for families
    return write(site, row, ctx, named, f"`{name}` {row.summary}{times}")
