"""`torch.load(..., map_location="cuda")` puts a checkpoint on an NVIDIA GPU as it is read.

## What CUDA does

Storages are moved to the GPU while the file is read; without the argument they return to the device they came from.

## On Neuron

A checkpoint that goes into a module is loaded to the CPU (`map_location="cpu"`): `load_state_dict` copies it into
parameters that are on the device already. Tensors that are used as they are, and whole models, go to the device.

Without `map_location` a checkpoint that was saved on CUDA raises on a machine that has none.

## When porter rewrites

Where the function calls `load_state_dict`, the whole argument becomes `"cpu"`; so does a lambda, and a table. Elsewhere
the device in it is rewritten like any other. A variable stays: it is rewritten where it gets its value.

## Example

```py
model.load_state_dict(torch.load(path, map_location="cuda"))
```

becomes

```py
model.load_state_dict(torch.load(path, map_location="cpu"))
```
"""

from __future__ import annotations

import ast
import re

from porter.catalog.schema import Row
from porter.index.outline import Span
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Edits, Judgement, rule
from porter.rules.placement.devices import (
    argument_around,
    devices_inside,
    is_place,
    judge_device,
    keeps_place,
    word_edit,
)
from porter.rules.table import by_hand, judgement
from porter.rules.uses import function_around

_DEVICE = re.compile(r"(?:(?:torch\.)?device\()?([A-Za-z_][\w.]*)\)?")


@rule("PRT402", "cuda-map-location")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge the whole argument; what stands inside it is part of it."""
    if (table := locations(site, ctx)) is not None:
        if site.use == "key":
            return Dismissed(site, "part")
        row = ctx.catalogue.find("argument", "torch.load(map_location)") or row
        message = "`map_location` is given a table that puts a checkpoint on CUDA"
        edits = ctx.edit(table.start, table.end, '"cpu"') if site.editable else None
        return judgement(site, row, ctx, message=message, edits=edits)
    if site.kind == "device":
        return judge_device(site, row, ctx, f'`map_location` is `"{site.name}"`')
    if site.kind != "argument" or argument_around(site, ctx) is not None or keeps_place(site, ctx):
        return Dismissed(site, "agnostic")
    if not any("cuda" in inner.name for inner in devices_inside(site, ctx)):
        return Dismissed(site, "agnostic") if ctx.target.loads else _unknown(site, row, ctx)
    message = f"`map_location` of `{site.name.partition('(')[0]}()` is on CUDA"
    if ctx.target.keeps_cuda:
        edits = _found(site, ctx) if ctx.edits else ()
        return judgement(site, row, ctx, message=message, edits=edits)
    if is_place(site, ctx):  # of a target that loads to no device
        return by_hand(site, row, ctx, "load on the CPU, and move what is loaded: nothing copies it", message=message)
    edits = ctx.edit(site.start, site.end, '"cpu"') if site.editable else None
    return judgement(site, row, ctx, message=message, edits=edits)


def locations(site: Site, ctx: Context) -> Span | None:
    """The table of a variable for ``map_location`` that a device stands in: ``where = {"cuda:0": f"cuda:{rank}"}``."""
    if site.use not in ("entry", "key") or ctx.target.keeps_cuda:
        return None
    match ctx.outline().around(site.start)[-1:]:
        case [ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict() as table)]:
            given = rf"(?:\bmap_location\s*=|\bload\([^()]*,)\s*{name}\b".encode()
            if ctx.once(_from_cuda, table) and re.search(given, function_around(site, ctx)):
                return ctx.outline().span(table)
    return None


def _from_cuda(ctx: Context, table: ast.Dict) -> bool:
    """Whether a table has a key for a device of CUDA."""
    return any(key is not None and "cuda" in ast.unparse(key) for key in table.keys)


def _unknown(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """``map_location=device``, or ``torch.device(device)``, where a device of the target cannot be one."""
    text = ctx.text(site.start, site.end)
    named = _DEVICE.fullmatch(text)
    if not site.editable or named is None or not ctx.project.holds(_place(site), "device", ctx.module):
        return Dismissed(site, "agnostic")
    function = ctx.outline().function(site.start)
    if function is not None and re.search(rf"^\s*{re.escape(named[1])} = ['\"]cpu['\"]$", ast.unparse(function), re.M):
        return Dismissed(site, "agnostic")
    if text == "map_location":
        return by_hand(site, row, ctx, "it is handed on: whoever calls says where to, and no device of XLA will do")
    if site.name.startswith("torch.jit."):
        return by_hand(site, row, ctx, "load on the CPU, and see that the module is moved: nothing else does it")
    message = f"`map_location` of `{site.name.partition('(')[0]}()` is `{text}`, where nothing can be loaded to"
    return judgement(site, row, ctx, message=message, edits=ctx.edit(site.start, site.end, '"cpu"'))


def _place(site: Site) -> str | None:
    argument = next((a for a in site.call.arguments if a.start == site.start), None) if site.call is not None else None
    return argument.place if argument is not None else None


def _found(site: Site, ctx: Context) -> Edits | None:
    """The argument with the device that the program finds for each that it names; a key is the checkpoint's."""
    devices = [s for s in devices_inside(site, ctx) if s.use != "key" and s.kind != "argument"]
    edits = [word_edit(device, ctx) if device.kind == "device" else None for device in devices]
    return tuple(edit for found in edits for edit in found or ()) if None not in edits else None
