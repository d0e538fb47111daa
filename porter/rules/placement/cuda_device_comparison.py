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

`str(device).replace("cuda:", "")` and `.split("cuda:")` look for the device as a comparison does. What puts another
word in its place, `.replace("cuda", "gpu")`, is for you to decide.

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

import ast
import re

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.kernels.known import FUSED, asks_for_fused
from porter.rules.placement.anywhere import finds_device, is_exact, on_accelerator, others
from porter.rules.placement.behind import together
from porter.rules.placement.branches import hold
from porter.rules.placement.devices import argument_around, one_of_several, word_edit
from porter.rules.placement.evidence import own_word
from porter.rules.placement.indices import computed, is_own
from porter.rules.table import judgement
from porter.rules.uses import before, function_around

# A device by what it is called and how it is asked: `device.type`, `str(x.device)`.
_DEVICE = re.compile(r"(?:^|[._])device\.type$|^str\((?:[\w.]+[._])?device\)(?:\.\w+\(\))*$")
_TEXT = re.compile(r"(?:str|repr)\((\w+)\)")
_BY_CLASS = "catch errors by their classes: other devices say other words"
_ACCELERATOR = re.compile(r"accelerator(?:_flag|_name)?$")
_OWN_WORD = re.compile(rb"[\"'](?:gpu|auto|ddp|dp|none|single|multi)[\"']", re.I)
# What takes a text apart, and what it writes in place of what it finds, if that is not empty.
_SEARCHED = re.compile(rb"\.(?:removeprefix|r?partition|r?split|replace)\(\s*\Z")
_PUT_IN_PLACE = re.compile(rb"\s*,(?!\s*[\"']{2}\s*[,)])")


@rule("PRT104", "cuda-device-comparison")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge a comparison by what is compared, and by what runs behind it."""
    if argument_around(site, ctx) is not None:
        return Dismissed(site, "part")
    found = ctx.project.holds(site.place, "device", ctx.module)
    is_device = site.use == "compare" and _DEVICE.search(site.detail) is not None
    known = found is not None or site.use != "compare" or is_device
    searched = _SEARCHED.search(before(site, ctx)) is not None
    if searched and not known:
        return Dismissed(site, "text")
    if not known and _is_key(site, ctx):
        return Dismissed(site, "user-name")
    if not known and _is_error(site, ctx):
        message = f'`"{site.name}"` is looked for in `{site.detail}`, the text of an error'
        return judgement(site, row, ctx, verdict=Verdict.MANUAL, message=message, advice=_BY_CLASS)
    if asks_for_fused(site, ctx):
        return judgement(site, row, ctx, verdict=Verdict.PORTABLE, advice=FUSED, note=None)
    literal = site.name.removesuffix("{}") if _is_prefix(site, ctx) else site.name
    verb, done = ("look for", "searched for") if searched else ("compare with", "compared with")
    subject = site.detail if site.use == "compare" else ""
    message = f'`{subject}` is {done} `"{literal}"`' if subject else f'a comparison with `"{literal}"`'
    if subject[:1] in ("'", '"'):  # settings.get("device", "cuda") == "cpu"
        message = f'the default `"{literal}"` is {done} `{subject}`'
    write = f'{verb} `"{literal.replace("cuda", ctx.target.device)}"`' if ctx.target.device else ""
    group = together(site)
    if searched and _PUT_IN_PLACE.match(ctx.source.text, site.end):
        return judgement(site, row, ctx, verdict=Verdict.MANUAL, message=message, advice=write, group=group)
    held = hold(site, ctx)
    if held is not None and held.verdict is Verdict.PORTABLE:  # whatever is compared
        told, note = held.advice, held.note
        return judgement(site, row, ctx, verdict=held.verdict, message=message, advice=told, note=note, group=group)
    if not known and (word := own_word(site, ctx)) is not None:
        told = f"left as it is: beside `{word}` it is a word of the program's own, and no device"
        return judgement(site, row, ctx, verdict=Verdict.PORTABLE, message=message, advice=told, note=None, group=group)
    if not known or (not searched and _own_words(site, ctx)):
        why = "nothing shows that a device is compared here, so porter does not touch it"
        advice = f"{write} if this is the device that the program runs on" if write else ""
        return judgement(site, row, ctx, verdict=Verdict.MANUAL, message=message, advice=advice, note=why, group=group)
    if held is not None:
        return judgement(site, row, ctx, verdict=held.verdict, message=message, advice=held.advice, group=group)
    if ctx.target.keeps_cuda:
        return _anywhere(site, row, ctx, message, group)
    if not _own_number(site, ctx):
        return one_of_several(site, row, ctx, message)
    certain = ":" not in site.name and (found is None or found.certain or is_device)
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


def _anywhere(site: Site, row: Row, ctx: Context, message: str, group: str | None) -> Judgement:
    """A test that is to hold on every accelerator: that the device is not the CPU."""
    calls = [s.call for s in ctx.sites if s.call is not None and s.name.endswith(".GradScaler")]
    scaled = any(call.start <= site.start and site.end <= call.end for call in calls)
    if scaled or finds_device(site, ctx):
        advice = "left as it is: where a program finds its device, it means CUDA by this"
        if scaled:
            advice = "left as it is: scaling is for the float16 that autocast takes on CUDA"
        return judgement(site, row, ctx, verdict=Verdict.PORTABLE, message=message, advice=advice, group=group)
    if told := others(site, ctx):
        advice = f"the file tells {told} apart as well: say which devices this is for"
        return judgement(site, row, ctx, verdict=Verdict.MANUAL, message=message, advice=advice, group=group)
    exact = is_exact(site, ctx)
    return judgement(
        site,
        row,
        ctx,
        verdict=Verdict.AUTO if exact else Verdict.REVIEW,
        message=message,
        advice='compare with `"cpu"`: what is not the CPU is on the accelerator',
        note="" if exact else 'true of a numbered device (`"cuda:1"`) as well',
        edits=(on_accelerator(site, ctx) if site.editable else None) if ctx.edits else (),
        group=group,
    )


def _is_key(site: Site, ctx: Context) -> bool:
    """Whether the function reads by this key what it looks for the key in: ``if "cuda" in states: states["cuda"]``."""
    read = re.escape(site.detail) + rf"(?:\[|\.(?:get|pop)\()[\"']{re.escape(site.name)}[\"']"
    return bool(site.detail) and re.search(read.encode(), function_around(site, ctx)) is not None


def _is_error(site: Site, ctx: Context) -> bool:
    """Whether the text of a caught exception is compared: ``str(error).lower()``."""
    text = _TEXT.match(site.detail)
    around = ctx.outline().around(site.start) if text is not None else []
    return any(isinstance(node, ast.ExceptHandler) and node.name == text[1] for node in around if text is not None)


def _own_words(site: Site, ctx: Context) -> bool:
    """Whether an accelerator's name is compared, or the statement holds words that no device has."""
    if _ACCELERATOR.search(site.detail):
        return True
    statement = site.statement
    return statement is not None and _OWN_WORD.search(ctx.source.text, statement.start, statement.end) is not None


def _is_prefix(site: Site, ctx: Context) -> bool:
    """Whether the literal is that of every numbered device: ``"cuda:"``, with nothing behind it."""
    return site.name == "cuda:{}" and ctx.text(site.start, site.end).endswith((':"', ":'")) and not computed(site, ctx)


def _own_number(site: Site, ctx: Context) -> bool:
    """Whether the device has no number, or one that is the process's own."""
    number = site.name.partition(":")[2]
    return number in ("", "0") or _is_prefix(site, ctx) or (number == "{}" and is_own(computed(site, ctx), site, ctx))
