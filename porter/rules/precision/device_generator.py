"""Random number generators on the CUDA device.

## What CUDA does

`torch.Generator(device="cuda")` draws on the GPU, independent of the CPU's generator.

## On Neuron

Generators live on the CPU: make them there (`torch.Generator()`), draw there, and move the tensor to the device. Random
operators on the device fall back to the CPU's generator anyway.

## What to do

Take the device out of the generator *and* of the calls that use it, and move their result: both change together, so
porter leaves them to you.

## Example

```py
g = torch.Generator(device="cuda")
noise = torch.randn(4, generator=g, device="cuda")
```

is reported: `torch.randn(4, generator=torch.Generator()).to("neuron")`.
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judge_by_row, judgement


@rule("PRT302", "device-generator")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge a generator by the device it is made on."""
    if site.kind != "argument":
        return judge_by_row(site, row, ctx)
    if "cuda" not in ctx.text(site.start, site.end):
        return Dismissed(site, "agnostic")
    return judgement(
        site,
        row,
        ctx,
        verdict=Verdict.MANUAL,
        message="a random number generator on CUDA",
        advice="make it on the CPU, draw there, and move the tensors to the device",
    )
