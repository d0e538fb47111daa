"""Random number generators on the CUDA device.

## What CUDA does

`torch.Generator(device="cuda")` draws on the GPU, independent of the CPU's generator.

## On Neuron

Generators live on the CPU: make them there (`torch.Generator()`), draw there, and move the tensor to the device.
Random operators on the device fall back to the CPU's generator anyway.

## When porter rewrites

Generator and draws change together: the device goes from the generator, and from calls like `torch.randn` it moves to
a `.to()` behind them. Only where all uses of the generator are in sight and understood: PyTorch's random factories,
samplers and loaders of `torch.utils.data`, and pipelines of diffusers, which take generators of the CPU. With a
generator that stays, the device stays of what is drawn from it. The numbers are others than CUDA's.

## Example

```py
g = torch.Generator(device="cuda").manual_seed(0)
noise = torch.randn(4, generator=g, device="cuda")
```

becomes

```py
g = torch.Generator().manual_seed(0)
noise = torch.randn(4, generator=g).to("neuron")
```
"""

from __future__ import annotations

import re

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.placement.devices import devices_inside
from porter.rules.precision.draws import drawn_on_cpu
from porter.rules.table import judgement


@rule("PRT302", "device-generator")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge a generator by the device it is made on; for tensors drawn on a device, the device is what is reported."""
    if not site.name.startswith("torch.Generator("):
        return Dismissed(site, "part")
    if not devices_inside(site, ctx) and not _on_cuda(site, ctx) and not _holds_cuda(site, ctx):
        return Dismissed(site, "agnostic")
    message = "a random number generator on CUDA"
    advice = "make it on the CPU, draw there, and move the tensors to the device"
    edits = drawn_on_cpu(site, ctx) if ctx.edits else ()
    if edits is None:
        return judgement(site, row, ctx, verdict=Verdict.MANUAL, message=message, advice=advice)
    return judgement(site, row, ctx, verdict=Verdict.REVIEW, message=message, advice=advice, edits=edits)


def _on_cuda(site: Site, ctx: Context) -> bool:
    """Whether the generator is made only where CUDA is found, whatever function or option says the device."""
    return any(guard.kind == "cuda" for guard in site.guards) and "cpu" not in ctx.text(site.start, site.end)


def _holds_cuda(site: Site, ctx: Context) -> bool:
    """Whether the argument is a variable that a CUDA device of this file may be in, by an option or another way."""
    argument = next((a for a in site.call.arguments if a.start == site.start), None) if site.call is not None else None
    if argument is None or argument.place is None:
        return False
    name = argument.place.rpartition(".")[2]
    sets = re.compile(rb"(?:[\w.]*\.)?" + re.escape(name.encode()) + rb"\s*(?::[^=\n]*)?=(?!=)")
    for other in ctx.sites:
        if other.kind != "device" or other.statement is None or other.use == "compare":
            continue
        if ctx.project.feeds(other.place, argument.place, ctx.module):
            return True
        if other.place == argument.place or sets.match(ctx.source.text, other.statement.start):
            return True
    return False
