"""Builds with the CUDA toolkit: `nvcc`, `CUDA_HOME`, `TORCH_CUDA_ARCH_LIST`, CMake's CUDA language.

## What CUDA does

`nvcc` compiles kernels for a list of GPU architectures, and the build finds toolkit and libraries through `CUDA_HOME`,
`/usr/local/cuda` or CMake's packages.

## On Neuron

There is no C++ kernel language: kernels are written in Python with NKI and compiled by neuronx-cc when they are first
called. Nothing of such a build is left over once its kernels are replaced.

## Example

```sh
export CUDA_HOME=/usr/local/cuda-12.4
```

## What to do

Port the kernels first (see `cuda-source` and `cuda-extension`); then delete the build, or put it behind an option that
machines with Neuron leave off.
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.environment.write import named, write


@rule("PRT806", "cuda-build")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue."""
    return write(site, row, ctx, named)
