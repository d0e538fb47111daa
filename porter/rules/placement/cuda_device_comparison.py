"""A comparison with `"cuda"` decides which code runs, and on Neuron it decides against it.

## What CUDA does

`device.type == "cuda"`, `"cuda" in device` and `device.startswith("cuda")` choose fast paths, pinned memory,
autocast or a process group backend.

## On Neuron

The device type is `neuron`: unchanged, every such branch is silently skipped.

## When porter rewrites

What is compared must provably be a device: `.device.type`, a value that reaches a device, or one made by `torch.device`.
The code behind the test is ported with it. If it holds something that has no equivalent on the target (a Triton kernel, a
CUDA extension), the test keeps Neuron out of it, rightly: porter leaves the test as it is.

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

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.placement.branches import blocked_behind
from porter.rules.placement.devices import word_edit
from porter.rules.table import by_hand, judgement


@rule("PRT104", "cuda-device-comparison")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge a comparison by what is compared, and by what runs behind it."""
    message = f'`{site.detail}` is compared with `"{site.name}"`' if site.detail else f'a comparison with `"{site.name}"`'
    found = ctx.project.holds(site.place, "device", ctx.module)
    if found is None and not site.detail.endswith(".device.type"):
        why = "nothing shows that a device is compared here, so porter does not touch it"
        return by_hand(site, row, ctx, why, message=message)
    blocked = blocked_behind(site, ctx)
    if blocked is not None:
        return judgement(
            site,
            row,
            ctx,
            verdict=Verdict.PORTABLE,
            message=message,
            advice=f"left as it is: it keeps Neuron out of `{blocked.name}`, which has no equivalent there",
        )
    numbered = ":" in site.name
    return judgement(
        site,
        row,
        ctx,
        verdict=Verdict.REVIEW if numbered or (found is not None and not found.certain) else Verdict.AUTO,
        message=message,
        advice=f'compare with `"{site.name.replace("cuda", ctx.target.device)}"`',
        edits=word_edit(site, ctx) if ctx.edits else (),
    )
