"""`.cuda()` moves a tensor or a module to an NVIDIA GPU, and raises everywhere else.

## What CUDA does

`x.cuda()` returns a copy on the current GPU; `module.cuda()` moves the module in place.

## On Neuron

`x.to("neuron")` and `module.to("neuron")`. `non_blocking=True` is accepted. An index must be the local rank.

## When porter rewrites

The receiver must be a tensor, a module or something else of PyTorch: by its constructor, its annotation, what the
function that made it returns, or the tensor methods used on it. Methods named `cuda` of your own classes stay, and so
do their calls. If nothing says what the receiver is, porter says so and leaves the call, unless it is used as only
tensors and modules are. Such a call is edited for review if no class of the repository has a method `cuda`:

- it passes `non_blocking`, or a method that they have is called as well, `x.long().cuda()` or `x.eval()` beside it;
- it is indexed by axes, `x[None]` or `x[:, 0]`, or what is moved is called, or handed to a function of PyTorch;
- it stands in a run of lines `x = x.cuda()`, or is unpacked with something, that moves a tensor;
- it comes out of a loader by that name, `for x, y in train_loader`.

An index stays if a program calls it its own (`rank`, `local_rank`, `gpu`): `.to(f"neuron:{rank}")`. Where the program
also asks whether it is None, the index goes, for one process drives one core. Any other index chooses among devices of
one process, and is left to you.

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

import re

from porter.catalog.schema import Row
from porter.index.site import Argument, Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Edits, Judgement, named, needing, rule
from porter.rules.placement.devices import argument_around
from porter.rules.placement.indices import is_own
from porter.rules.placement.presumed import is_on_device, presumed
from porter.rules.spelling import device_numbered, device_type
from porter.rules.table import by_hand, judgement

_DOTTED = re.compile(r"[\w.]+(?:\(\))?")  # a name, or a call that is given nothing: `dist.get_rank()`
_DEVICE = re.compile(r"dev(?:ice)?$", re.I)
_ASKED = re.compile(r"([\w.]+)\.get_device\(\)")  # the device of a tensor, as an index
_INDEX = "an index other than the process's own chooses among devices: one process drives one core"
_PRESUMED = "nothing says what the receiver is, but {}"


@rule("PRT102", "cuda-method")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge a call of ``.cuda`` by its receiver."""
    if site.role in ("store", "delete"):
        return Dismissed(site, "user-name")
    if argument_around(site, ctx) is not None:
        return Dismissed(site, "part")
    if site.call is None:
        return _reference(site, row, ctx)
    if site.receiver is None:
        return by_hand(site, row, ctx, "called through its class")
    likely = presumed(site, ctx) if site.kind == "method" else None
    if site.kind == "method" and likely is None:
        why = f"porter does not know the receiver: {site.receiver.why}"
        if (other := ctx.project.moves_otherwise()) is not None:
            why += f"; `{other.rpartition('.')[2]}` of this repository has a `cuda()` of its own, and no `to()`"
        return by_hand(site, row, ctx, why, message="`.cuda()` on an object that porter does not know")
    what = f"`{site.name.rpartition('.')[0].rpartition('.')[2]}`" if likely is None else "tensor or a module"
    message = f"`.cuda()` moves a {what} to an NVIDIA GPU"
    named = site.call.get("device", 0)
    device = _device(named, site, ctx) if named is not None else None
    if named is not None and device is None:
        asked = _ASKED.fullmatch(ctx.text(named.start, named.end))
        why = f"or `.to({asked[1]}.device)`, if this is the index of a tensor's device" if asked is not None else _INDEX
        return by_hand(site, row, ctx, why, message=message)
    return judgement(
        site,
        row,
        ctx,
        verdict=Verdict.AUTO if named is None and site.certain and site.kind != "method" else Verdict.REVIEW,
        message=message,
        advice=f"write `.to({device or _plain(ctx)})`" if ctx.target.device else "write `.to(device)`",
        note=_PRESUMED.format(likely) if likely is not None else _told(site.receiver.why),
        edits=_edits(site, named, device, ctx) if ctx.edits else (),
    )


def _told(why: str) -> str:
    return f"the receiver is known: {why}" if why.startswith("`") else f"the receiver is {why}"


def _reference(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """``.cuda`` without a call: an attribute of the program, the method that another one wraps, or one passed on."""
    flag = site.role == "load" and site.parent in ("test", "BoolOp", "UnaryOp", "Assign")
    if site.kind == "method" or flag or ctx.text(max(0, site.start - 6), site.start).endswith("wraps("):
        return Dismissed(site, "user-name")
    return by_hand(site, row, ctx, "the method is passed on as an object")


def _edits(site: Site, named: Argument | None, device: str | None, ctx: Context) -> Edits | None:
    from porter.rewrite.calls import cuda_to

    if site.call is None or not site.editable:
        return None
    given = ctx.text(named.start, named.end) if named is not None else ""
    value = device if device != given else None
    if value is not None and _ASKED.fullmatch(given) is None:
        value += needing(ctx.target.module)
    return cuda_to(ctx.source.text, site.call, device_type(site, ctx), value)


def _device(named: Argument, site: Site, ctx: Context) -> str | None:
    """What to pass to ``.to`` for the device that the call names; None if porter cannot tell."""
    text = ctx.text(named.start, named.end)
    if isinstance(named.literal, (bool, int)):
        first = named.literal is not False and (named.literal == 0 or ctx.target.keeps_cuda)
        return device_numbered(str(named.literal), ctx) if first and named.literal is not True else None
    if named.is_literal:
        return text if named.literal is not None else _plain(ctx)  # a device string is a site of its own
    if named.type == "torch.device" or text.endswith("current_device()") or text.startswith("torch.device("):
        return text
    if (asked := _ASKED.fullmatch(text)) is not None:
        known = any(s.name == "torch.Tensor.get_device" for s in ctx.nesting.within(named.start, named.end))
        return f"{asked[1]}.device" if known or is_on_device(asked[1], site, ctx) else None
    if any(s.kind == "device" and ctx.project.feeds(s.place, named.place, ctx.module) for s in ctx.sites):
        return text
    if _DEVICE.search(text) and ctx.project.holds(named.place, "device", ctx.module):
        return text
    if not _DOTTED.fullmatch(text) or not is_own(text, site, ctx):
        return None
    if re.search(rb"\b" + re.escape(text.encode()) + rb"\s+is\s+(?:not\s+)?None\b", ctx.source.text):
        return device_numbered(text, ctx, perhaps=True) if ctx.target.keeps_cuda else _plain(ctx)
    return device_numbered(text, ctx)


def _plain(ctx: Context) -> str:
    return f'"{ctx.target.device}"' if ctx.target.device else named("DEVICE")
