"""`.cuda()` moves a tensor or a module to an NVIDIA GPU, and raises everywhere else.

## What CUDA does

`x.cuda()` returns a copy on the current GPU; `module.cuda()` moves the module in place.

## On Neuron

`x.to("neuron")` and `module.to("neuron")`. `non_blocking=True` is accepted. An index must be the local rank.

## When porter rewrites

The receiver must be a tensor, a module or something else of PyTorch: by its constructor, its annotation, what the
function that made it returns, or the tensor methods used on it. Methods named `cuda` of your own classes stay, and so do
their calls. If nothing says what the receiver is, porter says so and leaves the call.

## Example

```py
loss = criterion(output.cuda(non_blocking=True), target)
```

becomes

```py
loss = criterion(output.to("neuron", non_blocking=True), target)
```
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Argument, Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Edits, Judgement, rule
from porter.rules.table import by_hand, judgement


@rule("PRT102", "cuda-method")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge a call of ``.cuda`` by its receiver."""
    if site.role in ("store", "delete"):
        return Dismissed(site, "user-name")
    if site.call is None:
        return _reference(site, row, ctx)
    if site.receiver is None:
        return by_hand(site, row, ctx, "called through its class")
    if site.kind == "method":
        why = f"porter does not know the receiver: {site.receiver.why}"
        return by_hand(site, row, ctx, why, message="`.cuda()` on an object that porter does not know")
    what = site.name.rpartition(".")[0].rpartition(".")[2]
    named = site.call.get("device", 0)
    value = _device_value(named, ctx) if named is not None else None
    edits = _edits(site, named, value, ctx) if ctx.edits else ()
    plain = named is None and site.certain
    return judgement(
        site,
        row,
        ctx,
        verdict=Verdict.AUTO if plain else Verdict.REVIEW,
        message=f"`.cuda()` moves a `{what}` to an NVIDIA GPU",
        advice=f'write `.to({value or chr(34) + ctx.target.device + chr(34)})`' if ctx.target.device else "",
        note=f"the receiver is {site.receiver.why}",
        edits=edits,
    )


def _reference(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """``.cuda`` without a call: an attribute of the program, or the method passed on."""
    if site.kind == "method" or site.role == "load" and site.parent in ("test", "BoolOp", "UnaryOp", "Assign"):
        return Dismissed(site, "user-name")
    return by_hand(site, row, ctx, "the method is passed on as an object")


def _edits(site: Site, named: Argument | None, value: str | None, ctx: Context) -> Edits | None:
    from porter.rewrite.calls import cuda_to, quote

    if site.call is None or not site.editable or (named is not None and value is None):
        return None
    device = quote(ctx.source.text, site, ctx.target.device)
    keep = named is not None and value == ctx.text(named.start, named.end)
    return cuda_to(ctx.source.text, site.call, device, None if keep else value)


def _device_value(named: Argument, ctx: Context) -> str | None:
    """What to pass to ``.to`` for the device that the call names; None if porter cannot tell."""
    text = ctx.text(named.start, named.end)
    if isinstance(named.literal, bool):
        return None
    if isinstance(named.literal, int):
        return f'"{ctx.target.device}:{named.literal}"'
    if named.literal is not None or named.is_literal:
        return text  # a device string: a site of its own
    if named.type == "torch.device" or ctx.project.holds(named.place, "device", ctx.module):
        return text
    if text.endswith("current_device()") or text.startswith("torch.device("):
        return text
    if all(c.isalnum() or c in "_." for c in text):
        return f'f"{ctx.target.device}:{{{text}}}"'
    return None
