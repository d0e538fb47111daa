"""CUDA streams and events: side queues of work, and timestamps in them.

## What CUDA does

`torch.cuda.Stream` overlaps copies and kernels; `torch.cuda.Event(enable_timing=True)` measures them.

## On Neuron

The same methods on `torch.neuron.Stream` and `torch.neuron.Event`. Both are functions that take keywords only, so
`isinstance(x, torch.neuron.Stream)` and subclasses do not work: the classes are `torch_neuronx.Stream` and
`torch_neuronx.Event`. Events cannot be shared between processes, and no raw handle (`stream.cuda_stream`) exists.

## When porter rewrites

Constructors whose arguments Neuron takes; positional arguments become keywords. Two events of which one measures the
time since the other change together or not at all. A stream that is only asked for its raw handle stays.

PyTorch/XLA (`xla`) has no events: those that measure a time within one function become readings of
`time.perf_counter()`, each behind a `torch_xla.sync(wait=True)`.

## Example

```py
start = torch.cuda.Event(enable_timing=True)
```

becomes

```py
start = torch.neuron.Event(enable_timing=True)
```
"""

from __future__ import annotations

import msgspec

from porter.catalog.schema import Row
from porter.index.site import Call, Receiver, Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.presence import behind, is_present, or_else, replaced
from porter.rules.runtime.timing import clocked
from porter.rules.table import action_of, by_hand, judgement
from porter.rules.uses import HANDLES, asks_class, handle_beside, handles_of, judge_use, through_choice

# What the constructors take by position on CUDA, and what they do not take on Neuron.
_PARAMETERS = {"Stream": ("device", "priority"), "Event": ("enable_timing", "blocking", "interprocess")}
_REFUSED = "interprocess"
_ELAPSED = "torch.cuda.Event.elapsed_time"
_TIMING = (_ELAPSED, "torch.cuda.Event.record", "torch.cuda.Event.wait")


@rule("PRT203", "cuda-stream")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge a stream or event; constructors take keywords only on Neuron."""
    if site.kind == "argument" or _only_for_its_handle(site, ctx) or through_choice(site, ctx):
        return Dismissed(site, "part")
    if ctx.edits and ctx.answer(row).verdict is Verdict.BLOCKED and (found := clocked(site, ctx)) is not None:
        group, edits = found
        note = "each reading of the clock waits for the device, and ends a step"
        return judgement(site, row, ctx, verdict=Verdict.REVIEW, note=note, edits=edits, group=group)
    if site.name in _TIMING and ctx.target.keeps_cuda and site.call is not None and site.receiver is not None:
        return _timed(site, site.call, site.receiver, row, ctx)
    handle = next((s for s in ctx.bound(site.place) if s.name.endswith(HANDLES)), None)
    if handle is not None and not ctx.target.keeps_cuda:
        return by_hand(site, row, ctx, f"line {handle.line} hands it to a library of CUDA's: port both together")
    changes = not ctx.target.keeps_cuda and ctx.answer(row).verdict is not Verdict.PORTABLE
    if changes and (handle := handle_beside(site, ctx)) is not None:
        return by_hand(site, row, ctx, f"line {handle.line} hands a stream to a library of CUDA's: port both together")
    name = site.name.rpartition(".")[2]
    constructs = name in _PARAMETERS and action_of(ctx.answer(row)) in ("rename", "callee")
    if not constructs or site.role in ("import", "annotation"):
        return judge_use(site, row, ctx)
    if site.call is None and ctx.target.keeps_cuda:
        return Dismissed(site, "agnostic") if asks_class(site, ctx) else judge_use(site, row, ctx)
    if site.call is None:
        return by_hand(site, row, ctx, f"not called here: as a class it is `torch_neuronx.{name}`")
    return _constructed(site, site.call, row, ctx, _PARAMETERS[name])


def _only_for_its_handle(site: Site, ctx: Context) -> bool:
    """Whether the site is the stream in ``torch.cuda.current_stream().cuda_stream``, which has no equivalent."""
    handles = (s.receiver for s in ctx.once(handles_of))
    return any(r is not None and r.start <= site.start and site.end < r.end for r in handles)


def _constructed(site: Site, call: Call, row: Row, ctx: Context, parameters: tuple[str, ...]) -> Judgement:
    group = _timed_with(site.place, ctx)
    positional = [a for a in call.arguments if a.keyword is None]
    refused = call.get(_REFUSED) is not None or parameters[len(positional) - 1 : len(positional)] == (_REFUSED,)
    if call.unpacked or refused or len(positional) > len(parameters):
        result = by_hand(site, row, ctx, "its arguments have no equivalent, or cannot be seen")
        return msgspec.structs.replace(result, group=group)
    if not ctx.edits:
        return judgement(site, row, ctx, group=group)
    new = replaced(site, ctx.answer(row), ctx)
    if new.why:
        return by_hand(site, row, ctx, new.why)
    from porter.rewrite.calls import CallEditor

    editor = CallEditor(ctx.source.text, call)
    for argument, parameter in reversed(list(zip(positional, parameters, strict=False))):
        editor.rename_keyword(argument, parameter)
    edits = editor.edits()
    if edits is None:
        return by_hand(site, row, ctx)
    return judgement(site, row, ctx, edits=(*new.edits, *edits), rename=new.rename, group=group)


def _timed(site: Site, call: Call, receiver: Receiver, row: Row, ctx: Context) -> Judgement | Dismissed:
    """What the events of a CPU cannot do: ``start.record()`` goes behind a test, ``elapsed_time`` is 0 there."""
    edits = or_else(site, call, "0.0", ctx) if site.name == _ELAPSED else behind(site, ctx)
    if "torch.cuda" not in receiver.why:  # made by `torch.Event`, whatever the device
        return Dismissed(site, "agnostic")
    if edits is None or not ctx.edits or is_present(site, ctx) or not site.editable:
        return Dismissed(site, "agnostic")
    message = f"`{site.name.rpartition('.')[2]}()` raises on the CPU, whose events have no time"
    group = _timed_with(receiver.place, ctx)
    return judgement(site, row, ctx, verdict=Verdict.REVIEW, message=message, edits=edits, group=group)


def _timed_with(place: str | None, ctx: Context) -> str | None:
    """The group of events that an event is timed with: those that ``elapsed_time`` leads to, by their places."""
    pairs = [
        {s.receiver.place, *(a.place for a in s.call.arguments)}
        for s in ctx.where("name", _ELAPSED)
        if s.receiver is not None and s.call is not None
    ]
    together = {place}
    for _ in pairs:
        together = together.union(*(pair for pair in pairs if pair & together))
    places = sorted(place for place in together if place is not None)
    return f"timing:{places[0]}" if len(places) > 1 else None
