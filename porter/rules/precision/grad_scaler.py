"""`GradScaler` keeps float16 gradients from underflowing; bfloat16 needs no scaling.

## What CUDA does

The loss is scaled up before the backward pass, gradients are unscaled before the step, and steps with infinities are
skipped.

## On Neuron

Train in bfloat16, without scaling. A scaler made with `enabled=False` turns `scale`, `unscale_`, `step` and `update`
into what the plain loop would do, on every device: one edit where it is made keeps the whole loop valid,
`get_scale()` (1.0) and checkpoints (`state_dict()` is empty, `load_state_dict()` does nothing) included.

## When porter rewrites

The constructor, and code that reads `state_dict()["scale"]`, also through a class that wraps the scaler, and of what is
named a scaler and is given an optimizer: of an empty state it takes 1.0. A subclass may rely on the scale, and a scaler
passed on as a class is made elsewhere: those porter leaves to you. So it does where the file runs `torch.autocast` on a
device that it takes from a variable and names no dtype, which may then be float16, and where it chooses
`torch.cuda.amp.autocast` as an object.

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

import ast
import re
from typing import TYPE_CHECKING

import msgspec

from porter.catalog.schema import Row
from porter.index.outline import dotted
from porter.index.site import Argument, Call, Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Edits, Judgement, named, rule
from porter.rules.precision.cuda_autocast import stays_an_object
from porter.rules.spelling import device_type
from porter.rules.table import by_hand, judge_by_row, judgement
from porter.rules.uses import asks_class, has_uses

if TYPE_CHECKING:
    from porter.rewrite.calls import CallEditor

_TARGET = "torch.amp.GradScaler"
_OLD = ("torch.cuda.amp.GradScaler", "torch.cuda.amp.grad_scaler.GradScaler")
_AUTOCAST = frozenset({"torch.autocast", "torch.amp.autocast", "torch.amp.autocast_mode.autocast"})
_FLOAT16 = re.compile(rb"\bfloat16\b|\bfp16\b|\btorch\.half\b")
_STATE = "torch.amp.GradScaler.State.[scale]"
_KEY = rb"(?:\[\s*[\"']scale[\"']\s*\]|\.get\(\s*[\"']scale[\"'])"
_READS = re.compile(rb"\bstate_dict\(\)\s*" + _KEY + rb"|scaler\._scale\b")
# What a scaler that is off does not have: all but these two of its own attributes, and what reads them.
_OWN = re.compile(rb"scaler\.(?=(_(?!enabled\b|device\b)\w+|[gs]et_(?:growth|backoff)_\w+))")
_DEMANDED = re.compile(rb"\bnot [\w.]*scaler\.is_enabled\(\)[^\n]*:\s*raise\b")
_ITEM = re.compile(r"\[\s*([\"'])scale\1\s*\]")
_SCALER = re.compile(r"([\w.]*scaler)\.state_dict\(\)", re.I)
_SAVES = re.compile(rb"(\w+)\s*=\s*[\w.]*scaler[\w.]*\.state_dict\(\)")


@rule("PRT304", "grad-scaler")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge a scaler where it is made; what is done with it stays valid."""
    if site.name.endswith("[scale]"):
        return _read(site, row, ctx)
    if has_uses(site, ctx):
        return Dismissed(site, "part")
    if not site.name.endswith(".GradScaler"):
        return judge_by_row(site, row, ctx)
    old = site.name in _OLD
    if site.role == "base":
        return by_hand(site, row, ctx, "a subclass may rely on the scale")
    if site.call is None:
        return _mentioned(site, row, ctx) if old else Dismissed(site, "agnostic")
    if not old and not _for_cuda(site.call):
        return Dismissed(site, "agnostic")
    if ctx.target.keeps_cuda and not old and (off := site.call.get("enabled", 5)) and off.literal is False:
        return Dismissed(site, "part")  # its device is a site of its own
    if not ctx.target.keeps_cuda and (why := ctx.once(_hindrance)):
        return by_hand(site, row, ctx, why)
    edits = _edits(site, site.call, old, ctx) if ctx.edits else ()
    note = "" if ctx.target.keeps_cuda else ctx.once(_unscaled)
    return judgement(site, row, ctx, edits=edits, rename=_TARGET if old else None, note=note)


def _read(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """``state["scale"]`` as ``state.get("scale", 1.0)``, which is the same where the scaler is on."""
    if site.receiver is None or not _reads_scale(site, ctx):
        return Dismissed(site, "user-name")
    note = ""
    if site.name != _STATE:
        row, note = ctx.catalogue.find("symbol", _STATE) or row, "Nothing but its use says that this is a scaler"
    edits = None
    if (item := _ITEM.fullmatch(ctx.text(site.receiver.end, site.end))) is not None:
        edits = ctx.edit(site.receiver.end, site.end, f".get({item[1]}scale{item[1]}, 1.0)")
    message = '`["scale"]` reads the scale from a scaler\'s state'
    return judgement(site, row, ctx, message=message, edits=edits, note=note)


def _reads_scale(site: Site, ctx: Context) -> bool:
    """Whether it is a scaler whose scale a site reads, be it by its name and an optimizer that the file gives it.

    Of any other state that has a scale, the edit reads the same.
    """
    if site.name == _STATE or site.receiver is None:
        return site.name == _STATE
    named = _SCALER.fullmatch(ctx.text(site.receiver.start, site.receiver.end))
    given = rb"\b%s(?:\.\w+)?\([^()]*\boptim"
    return named is not None and re.search(given % re.escape(named[1].encode()), ctx.source.text) is not None


def _mentioned(site: Site, row: Row, ctx: Context) -> Judgement:
    """The class by its name: renamed where nothing is made of it."""
    if site.role in ("import", "annotation") or site.parent == "Assign" or asks_class(site, ctx):
        return judgement(site, row, ctx, verdict=Verdict.AUTO, advice=f"write `{_TARGET}`", rename=_TARGET)
    return by_hand(site, row, ctx, "the class is passed on, and made elsewhere")


def _for_cuda(call: Call) -> bool:
    """Whether ``torch.amp.GradScaler`` is made for CUDA, which is its default."""
    device = call.get("device", 0)
    if device is None:
        return not call.unpacked
    return isinstance(device.literal, str) and device.literal.startswith("cuda")


def _hindrance(ctx: Context) -> str:
    """Why the file needs its scaler on; empty where it does not."""
    text = ctx.source.text
    if ctx.in_test() and ctx.once(_asserts_state):
        return "a test: what it asserts of the scaler's state holds where the scaler is on"
    reading = (site for site in ctx.sites if site.name.endswith(".[scale]") and site.editable)
    rewritten = {site.end for site in reading if _reads_scale(site, ctx)}
    readers = [_READS, *(re.compile(rb"\b" + re.escape(saved[1]) + _KEY) for saved in _SAVES.finditer(text))]
    found = (match for reader in readers for match in reader.finditer(text) if match.end() not in rewritten)
    if (reader := next(found, None)) is not None:
        return f"line {ctx.source.line(reader.start())} reads the scale, which is not there when scaling is off"
    if (own := _OWN.search(text)) is not None:
        return f"line {ctx.source.line(own.start())} uses `{own[1].decode()}`, which is not there when scaling is off"
    if (demand := _DEMANDED.search(text)) is not None:
        return f"line {ctx.source.line(demand.start())} raises where scaling is off"
    for site in ctx.sites:
        if site.name in _AUTOCAST and site.call is not None and _may_be_half(site.call):
            advice = "runs autocast without a dtype on a device that is not known here"
            return f"line {site.line} {advice}: give it `dtype=torch.bfloat16` first"
        if stays_an_object(site, ctx):
            return f"line {site.line} chooses autocast, which is float16 until it is ported: do both together"
    return ""


def _asserts_state(ctx: Context) -> bool:
    """Whether something is asserted of a scaler's state: ``self.assertEqual(scaler.state_dict(), before)``."""
    nodes = (n for n in ctx.outline().nodes if isinstance(n, ast.Assert | ast.Call))
    asserting = (n for n in nodes if isinstance(n, ast.Assert) or getattr(n.func, "attr", "").startswith("assert"))
    calls = (inner for node in asserting for inner in ast.walk(node) if isinstance(inner, ast.Call))
    return any((dotted(call.func) or "").lower().endswith("scaler.state_dict") for call in calls)


def _unscaled(ctx: Context) -> str:
    """What to see to where autocast's dtype is chosen as the program runs, and may be float16."""
    if not ctx.says(_FLOAT16):
        return ""
    for site in ctx.sites:
        dtype = site.call.get("dtype", 1) if site.call is not None and site.name.endswith(".autocast") else None
        if dtype is not None and not ctx.text(dtype.start, dtype.end).startswith("torch."):
            return f"line {site.line} may be asked for float16, which would go unscaled: see that it gets bfloat16"
    return ""


def _may_be_half(call: Call) -> bool:
    device, enabled = call.get("device_type", 0), call.get("enabled", 2)
    known = device is not None and isinstance(device.literal, str)
    off = enabled is not None and enabled.literal is False
    return not known and not off and not call.unpacked and call.get("dtype", 1) is None


def _edits(site: Site, call: Call, old: bool, ctx: Context) -> Edits | None:
    if call.unpacked:
        return None
    from porter.rewrite.calls import CallEditor

    editor = CallEditor(ctx.source.text, call)
    if old or call.get("device", 0) is None:
        editor.insert_first(device_type(site, ctx))
    enabled = call.get("enabled", 4 if old else 5)
    if ctx.target.keeps_cuda:
        _scale_on_cuda(editor, enabled, ctx)
    elif enabled is None:
        editor.append("enabled=False")
    elif enabled.literal is not False:
        editor.replace(_with_brackets(enabled, ctx), "False")
    return editor.edits()


def _scale_on_cuda(editor: CallEditor, enabled: Argument | None, ctx: Context) -> None:
    """Scaling is for the float16 that autocast takes on CUDA."""
    on_cuda = f'{named("DEVICE")} == "cuda"'
    if enabled is None or enabled.literal is True:
        if enabled is None:
            editor.append(f"enabled={on_cuda}")
        else:
            editor.replace(enabled, on_cuda)
    elif enabled.literal is not False:
        value = _with_brackets(enabled, ctx)
        text = ctx.text(value.start, value.end)
        loose = isinstance(
            ast.parse(f"({text})", mode="eval").body, ast.IfExp | ast.Lambda | ast.BoolOp | ast.NamedExpr
        )
        bare = loose and not (text.startswith("(") and value is not enabled)
        editor.replace(value, f"({text}) and {on_cuda}" if bare else f"{text} and {on_cuda}")


def _with_brackets(argument: Argument, ctx: Context) -> Argument:
    """The argument with the brackets around its value: ``enabled=(dtype == "float16")``."""
    start, end = argument.start, argument.end
    if argument.keyword is not None and ctx.text(start - 2, start) == "=(" and ctx.text(end, end + 1) == ")":
        return msgspec.structs.replace(argument, start=start - 1, end=end + 1)
    return argument
