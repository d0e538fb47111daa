"""`GradScaler` keeps float16 gradients from underflowing; bfloat16 needs no scaling.

## What CUDA does

The loss is scaled up before the backward pass, gradients are unscaled before the step, and steps with infinities are
skipped.

## On Neuron

Train in bfloat16, without scaling. A scaler made with `enabled=False` turns `scale`, `unscale_`, `step` and `update`
into what the plain loop would do, on every device: one edit where it is made keeps the whole loop valid,
`get_scale()` (1.0) and checkpoints (`state_dict()` is empty, `load_state_dict()` does nothing) included.

## When porter rewrites

The constructor, and nothing else. Code that reads `state_dict()["scale"]` would break: then porter leaves it to you.

## Example

```py
scaler = torch.cuda.amp.GradScaler(enabled=use_amp)
```

becomes

```py
scaler = torch.amp.GradScaler("neuron", enabled=False)
```
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Call, Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Edits, Judgement, rule
from porter.rules.table import by_hand, judge_by_row, judgement

_TARGET = "torch.amp.GradScaler"
_OLD = ("torch.cuda.amp.GradScaler", "torch.cuda.amp.grad_scaler.GradScaler")


@rule("PRT304", "grad-scaler")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge a scaler where it is made; what is done with it stays valid."""
    if not site.name.endswith(".GradScaler"):
        return judge_by_row(site, row, ctx)
    old = site.name in _OLD
    if site.role in ("import", "annotation") or site.call is None:
        if not old:
            return Dismissed(site, "agnostic")
        return judgement(site, row, ctx, verdict=Verdict.AUTO, advice=f"write `{_TARGET}`", rename=_TARGET)
    if not old and not _for_cuda(site.call):
        return Dismissed(site, "agnostic")
    reader = _reads_scale(site, ctx)
    if reader is not None:
        why = f"line {reader.line} reads the scale from `state_dict()`, which is empty when scaling is off"
        return by_hand(site, row, ctx, why)
    edits = _edits(site, site.call, old, ctx) if ctx.edits else ()
    return judgement(site, row, ctx, edits=edits, rename=_TARGET if old else None)


def _for_cuda(call: Call) -> bool:
    """Whether ``torch.amp.GradScaler`` is made for CUDA, which is its default."""
    device = call.get("device", 0)
    if device is None:
        return not call.unpacked
    return isinstance(device.literal, str) and device.literal.startswith("cuda")


def _reads_scale(site: Site, ctx: Context) -> Site | None:
    for use in ctx.bound(site.place):
        if use.name.endswith(".state_dict") and use.parent == "Subscript":
            return use
    return None


def _edits(site: Site, call: Call, old: bool, ctx: Context) -> Edits | None:
    if call.unpacked:
        return None
    from porter.rewrite.calls import CallEditor, quote

    editor = CallEditor(ctx.source.text, call)
    if old or call.get("device", 0) is None:
        editor.insert_first(quote(ctx.source.text, site, ctx.target.device))
    enabled = call.get("enabled", 4 if old else 5)
    if enabled is None:
        editor.append("enabled=False")
    elif enabled.literal is not False:
        editor.replace(enabled, "False")
    return editor.edits()
