"""A comparison with `"cuda"` decides which code runs, and on Neuron it decides against it.

## What CUDA does

`device.type == "cuda"`, `"cuda" in device` and `device.startswith("cuda")` choose fast paths, pinned memory,
autocast or a process group backend.

## On Neuron

The device type is `neuron`: unchanged, every such branch is silently skipped.

## When porter rewrites

What is compared must provably be a device: `.device.type`, a value that reaches a device, or one made by
`torch.device`. The code behind the test is ported with it. If it holds something that has no equivalent on the target
(a Triton kernel, a CUDA extension), the test keeps Neuron out of it, rightly: porter leaves the test as it is. Where
it also moves data to the device, somebody has to port it first. Tests joined by `and` change together or not at all.

Words that no device has (`"gpu"`, `"auto"`) beside `"cuda"` show that a program's own names are compared: they stay.
In `device.type in ("cuda", "xpu")` Neuron is one more entry: that is for you to add.

## Example

```py
pin = device.type == "cuda"
```

becomes

```py
pin = device.type == "neuron"
```
"""

from __future__ import annotations

import re

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.placement.branches import hold, together
from porter.rules.placement.devices import argument_around, one_of_several, word_edit
from porter.rules.placement.indices import computed, is_own
from porter.rules.table import judgement

# A device by what it is called and how it is asked: `device.type`, `str(x.device)`.
_DEVICE = re.compile(r"(?:^|[._])device\.type$|^str\((?:[\w.]+[._])?device\)(?:\.\w+\(\))?$")
_ACCELERATOR = re.compile(r"accelerator(?:_flag|_name)?$")
_OWN_WORD = re.compile(rb"[\"'](?:gpu|auto|ddp|dp|none|single|multi)[\"']", re.I)


@rule("PRT104", "cuda-device-comparison")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge a comparison by what is compared, and by what runs behind it."""
    if argument_around(site, ctx) is not None:
        return Dismissed(site, "part")
    message = (
        f'`{site.detail}` is compared with `"{site.name}"`' if site.detail else f'a comparison with `"{site.name}"`'
    )
    write = f'compare with `"{site.name.replace("cuda", ctx.target.device)}"`' if ctx.target.device else ""
    group = together(site)
    found = ctx.project.holds(site.place, "device", ctx.module)
    if (found is None and not _DEVICE.search(site.detail)) or _own_words(site, ctx):
        why = "nothing shows that a device is compared here, so porter does not touch it"
        advice = f"{write} if this is the device that the program runs on" if write else ""
        return judgement(site, row, ctx, verdict=Verdict.MANUAL, message=message, advice=advice, note=why, group=group)
    if held := hold(site, ctx):
        return judgement(site, row, ctx, verdict=held.verdict, message=message, advice=held.advice, group=group)
    if not _own_number(site, ctx):
        return one_of_several(site, row, ctx, message)
    certain = ":" not in site.name and (found is None or found.certain)
    return judgement(
        site,
        row,
        ctx,
        verdict=Verdict.AUTO if certain else Verdict.REVIEW,
        message=message,
        advice=write,
        edits=word_edit(site, ctx) if ctx.edits else (),
        group=group,
    )


def _own_words(site: Site, ctx: Context) -> bool:
    """Whether an accelerator's name is compared, or the statement holds words that no device has."""
    if _ACCELERATOR.search(site.detail):
        return True
    statement = site.statement
    return statement is not None and _OWN_WORD.search(ctx.source.text, statement.start, statement.end) is not None


def _own_number(site: Site, ctx: Context) -> bool:
    """Whether the device has no number, or one that is the process's own."""
    number = site.name.partition(":")[2]
    return number in ("", "0") or (number == "{}" and is_own(computed(site, ctx), site, ctx))
