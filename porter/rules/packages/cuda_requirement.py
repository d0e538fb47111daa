"""Requirements that only CUDA machines can install or use: `flash-attn`, `nvidia-*`, `torch==2.5.1+cu121`, indexes.

## What CUDA does

PyTorch has one build for every CUDA version, told apart by a local version or by the package index; kernels and
libraries come as packages of their own, many of which compile with `nvcc` while they are installed.

## On Neuron

`torch-neuronx`, `neuronx-cc` and `nki` come from `https://pip.repos.neuron.amazonaws.com`, torch from its CPU index.
Their namesakes on PyPI are stubs that say "WRONG PACKAGE".

## Example

```text
--extra-index-url https://download.pytorch.org/whl/cu121
torch==2.5.1+cu121
flash-attn==2.7.4
```

## What to do

Move what only CUDA needs to an extra or a file of its own, and give Neuron machines theirs.
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.environment.advise import advise


@rule("PRT702", "cuda-requirement")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue."""
    return advise(site, row, ctx)
