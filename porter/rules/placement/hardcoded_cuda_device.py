"""A device string that names CUDA pins the program to one vendor.

## What CUDA does

`torch.device("cuda")`, `device="cuda"` and `.to("cuda")` place data on the current NVIDIA GPU.

## On Neuron

The native backend registers the device type `neuron`: the same string in the same position, and nothing else changes.
Where `torch_neuronx` is not installed, `torch.device("neuron")` raises: it is no fallback for laptops.

## When porter rewrites

The string must reach a device that porter can see: a parameter of PyTorch that takes a device, at once or through
variables, attributes, options and functions of the repository. A keyword named `device` of a function elsewhere is
likely, not certain: verdict `review`. A string that only happens to read `cuda` is left alone and reported.

## Example

```py
x = torch.zeros(3, device="cuda")
```

becomes

```py
x = torch.zeros(3, device="neuron")
```
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.placement.devices import judge_device
from porter.rules.table import judgement


@rule("PRT101", "hardcoded-cuda-device")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge a device string by where it ends up."""
    if site.use == "key":
        return _table_key(site, row, ctx)
    return judge_device(site, row, ctx, f'device string `"{site.name}"`')


def _table_key(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """``{"cuda": ..., "cpu": ...}``: a table of devices needs one entry more, not another name."""
    if site.detail == "handled":
        return Dismissed(site, "handled")
    return judgement(
        site,
        row,
        ctx,
        verdict=Verdict.MANUAL,
        message='a table has an entry for `"cuda"`',
        advice=f'add an entry for `"{ctx.target.device or "other devices"}"` if the table is looked up by device',
    )
