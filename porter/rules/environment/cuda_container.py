"""Container images with CUDA inside, and the options that hand NVIDIA GPUs to a container.

## What CUDA does

`FROM nvidia/cuda` and `pytorch/pytorch` bring the toolkit and PyTorch's CUDA build; `--gpus`, `runtime: nvidia` and
`driver: nvidia` have NVIDIA's container runtime mount the driver.

## On Neuron

AWS publishes images with the Neuron compiler, runtime and torch-neuronx at `public.ecr.aws/neuron`. Devices are handed
over one by one, `--device=/dev/neuron0`, and no special runtime is involved.

## Example

```dockerfile
FROM pytorch/pytorch:2.5.1-cuda12.4-cudnn9-runtime
```

## What to do

Take the image as a build argument while both kinds of machine are in use: `ARG BASE` and `FROM ${BASE}`.
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.environment.advise import advise


@rule("PRT803", "cuda-container")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue."""
    return advise(site, row, ctx)
