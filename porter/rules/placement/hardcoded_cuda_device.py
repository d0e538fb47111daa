"""A device string that names CUDA pins the program to one vendor.

## What CUDA does

`torch.device("cuda")`, `device="cuda"` and `.to("cuda")` place data on the current NVIDIA GPU.

## On Neuron

The native backend registers the device type `neuron`: the same string in the same position, and nothing else changes.
Where `torch_neuronx` is not installed, `torch.device("neuron")` raises: it is no fallback for laptops.

## When porter rewrites

The string must reach a device that porter can see: a parameter of PyTorch that takes a device, at once or through
variables, attributes, options and functions of the repository. A keyword named `device` of a function elsewhere is
likely, not certain: verdict `review`. Where a name speaks of a device (`accelerator = "cuda"`), but no device that
porter can see takes the value, it is reported and left alone. Text for people and labels are no findings.

A device that a condition chooses in the same statement changes together with that condition, or not at all. In a list
that tells vendors apart (`["cuda", "xpu"]`) Neuron is one more entry: that is for you to add.

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

import ast
import re

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.placement.beside import knows_neuron
from porter.rules.placement.devices import devices_inside, judge_device, one_of_several, word_edit
from porter.rules.placement.evidence import COMPLETED
from porter.rules.placement.indices import is_own, second
from porter.rules.table import judgement

_GIVEN = re.compile(rb"(\w+)\.device\s*=(?!=)")
_STATES = frozenset({"torch", "numpy", "python", "random"})  # whose random numbers are kept beside CUDA's, by name
_DEVICE_KEY = re.compile(rb"[\"'](?:cpu|mps|npu|xpu|hpu|xla|tpu|meta)[\"']\s*:")


@rule("PRT101", "hardcoded-cuda-device")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge a device string by where it ends up."""
    if site.kind == "argument":
        return _default_device(site, row, ctx)
    if site.use == "key":
        return _table_key(site, row, ctx)
    if _is_pretended(site, ctx):
        advice = "a test that may run without CUDA: the device may be a mere name here"
        message = f'device string `"{site.name}"`'
        return judgement(site, row, ctx, verdict=Verdict.MANUAL, message=message, advice=advice, note=None)
    index = second(site, ctx)
    if index in ("", "0") or ctx.target.keeps_cuda or is_own(index, site, ctx):
        numbered = bool(index) or site.name == COMPLETED
        return judge_device(site, row, ctx, f'device string `"{site.name}"`', numbered=numbered)
    return one_of_several(site, row, ctx, f"a device numbered by `{index}`")


def _is_pretended(site: Site, ctx: Context) -> bool:
    """``model.device = torch.device("cuda")`` in a test that nothing keeps from running where no CUDA is."""
    if site.detail != "`torch.device()`" or site.statement is None or site.guards or not ctx.in_test():
        return False
    owner = _GIVEN.match(ctx.source.text, site.statement.start)
    return owner is not None and owner[1] != b"self"


def _default_device(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """``torch.set_default_device("cuda")``: every tensor from here on."""
    devices = [s for s in devices_inside(site, ctx) if s.kind == "device"]
    if not devices:
        return Dismissed(site, "agnostic")
    edits = [edit for device in devices for edit in word_edit(device, ctx) or ()] if ctx.edits else []
    return judgement(site, row, ctx, message="CUDA becomes the device of all tensors", edits=tuple(edits))


def _keys(site: Site, ctx: Context) -> list[ast.expr | None]:
    """The keys of the dictionary that a site is a key of."""
    tables = (node for node in ctx.outline().expressions(site.start, site.end) if isinstance(node, ast.Dict))
    return [key for table in list(tables)[-1:] for key in table.keys]


def _table_key(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """``{"cuda": ..., "cpu": ...}``: a table of devices needs one entry more, not another name."""
    if site.detail == "handled" or knows_neuron(site, ctx):
        return Dismissed(site, "handled")
    statement = site.statement
    if statement is None or not _DEVICE_KEY.search(ctx.source.text, statement.start, statement.end):
        return Dismissed(site, "user-name")
    if any(isinstance(key, ast.Constant) and key.value in _STATES for key in _keys(site, ctx)):
        return Dismissed(site, "user-name")
    return judgement(
        site,
        row,
        ctx,
        verdict=Verdict.MANUAL,
        message='a table of devices has an entry for `"cuda"`',
        advice=f'add an entry for `"{ctx.target.device or "other devices"}"` beside it',
    )
