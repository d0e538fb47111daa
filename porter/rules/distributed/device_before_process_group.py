"""The device in use before `init_process_group`: the usual order on CUDA, and an error on Neuron.

## What CUDA does

Scripts choose the GPU first (`torch.cuda.set_device`), so that NCCL binds to it; some move the model there as well.

## On Neuron

The backend insists that the runtime is not initialised before the process group, which itself assigns the core
(`NEURON_RT_VISIBLE_CORES`) and the default device. `set_device` comes after, or goes. A group is bound to no device.

## When porter rewrites

Where both calls are statements of the same block and nothing between them uses the device, the call moves behind
`init_process_group`. In front of a function that creates the group, a call that chooses the first device goes: the
process has it anyhow. Elsewhere porter leaves it and says what to do: renamed in its place it would only fail later.
`device_id=` of `init_process_group` is taken out. A function of the program that runs before the group and uses the
device, such as one that prints the device's properties, is named for you to call later.

## Example

```py
torch.cuda.set_device(local_rank)
dist.init_process_group("nccl")
```

becomes

```py
dist.init_process_group("neuron")
torch.neuron.set_device(local_rank)
```
"""

from __future__ import annotations

import re

from porter.catalog.schema import Answer, Row
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Edits, Judgement, TextEdit, needing, rule
from porter.rules.distributed.order import PLACES, group_behind, helper_before, helper_behind, is_start, uses_before
from porter.rules.lines import line_behind
from porter.rules.placement.devices import ON_CUDA, judge_none_elsewhere
from porter.rules.placement.flags import flag
from porter.rules.placement.indices import computed, is_own, second, with_its_moves
from porter.rules.presence import behind_test, is_present, spelled
from porter.rules.spelling import device_literal, expression
from porter.rules.table import by_hand, judge_by_row, judgement
from porter.rules.uses import function_around

_ABOUT_DEVICES = re.compile(r"\b(?:gpus?|devices?|cuda)\b", re.I)
_FOLLOWED = re.compile(rb"[ \t]*(?:#|\r?\n|\Z)")  # by another comment, or by nothing


@rule("PRT504", "device-before-process-group")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge ``set_device`` by the process group that comes behind it, and a process group by what comes before."""
    if ctx.target.backend_module:
        told = _told if is_start(site) else judge_by_row
        return with_its_moves(told(site, row, ctx), site, ctx)
    if site.kind == "argument" and _may_be_none(site, ctx) and not ctx.target.keeps_cuda:
        return by_hand(site, row, ctx, f"`{site.detail}` may be None here, which is right: see where it is not")
    if site.kind == "argument" and ctx.target.keeps_cuda:
        return judge_none_elsewhere(site, row, ctx, ON_CUDA)
    if is_start(site):
        return _started(site, row, ctx)
    if not site.name.endswith(".set_device"):
        return judge_by_row(site, row, ctx)
    group = group_behind(site, ctx)
    if group is not None:
        return _set(site, row, ctx, group)
    helper = helper_behind(site, ctx)
    if helper is None:
        return judge_by_row(site, row, ctx)
    name, where = helper
    message = f"`torch.cuda.set_device()` before `{name}()`, which creates the process group in {where}"
    gone = _deleted(site, ctx) if _is_default(site, ctx) else None
    if gone is not None:
        advice = "delete it: the process group chooses the core, and a process alone has the first"
        return judgement(site, row, ctx, verdict=Verdict.REVIEW, message=message, advice=advice, edits=(gone,))
    return by_hand(site, row, ctx, "move it behind that call, or delete it", message=message)


def _is_default(site: Site, ctx: Context) -> bool:
    """Whether the device chosen is the first that the process sees, which it has anyhow."""
    chosen = site.call.get("device", 0) if site.call is not None else None
    if chosen is None:
        return False
    if chosen.literal == 0 and not isinstance(chosen.literal, bool):
        return True
    name = ctx.text(chosen.start, chosen.end).encode()
    above = (s for s in ctx.where("scope", site.scope) if s.kind == "device" and s.end < site.start)
    made = [s for s in above if s.guards == site.guards and flag(s, ctx) == name]
    return bool(made) and all(s.name in ("cuda", "cuda:0") and second(s, ctx) in ("", "0") for s in made)


def _deleted(site: Site, ctx: Context) -> TextEdit | None:
    """The edit that takes the call's statement away, where it does nothing else and leaves something of its block."""
    from porter.rewrite.calls import delete_statement

    here = site.statement
    if not ctx.edits or here is None or not here.alone or here.kind != "Expr" or site.alias is not None:
        return None
    return delete_statement(ctx.source.text, here.start, here.end, here.siblings) if here.siblings > 1 else None


def _may_be_none(site: Site, ctx: Context) -> bool:
    """Whether an argument is a variable of the function that starts out as None."""
    starts = re.compile(rb"\b%b\s*(?::[^=\n]*)?=\s*None\b" % re.escape(site.detail.encode()))
    return site.detail.isidentifier() and starts.search(function_around(site, ctx)) is not None


def _told(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """A process group of a backend that PyTorch does not choose by itself."""
    call = site.call
    if call is None or call.unpacked or call.get("backend", 0) is not None:
        return Dismissed(site, "part")  # the backend is a site of its own
    if not ctx.edits:
        return judge_by_row(site, row, ctx)
    from porter.rewrite.calls import CallEditor

    backend = f'"{ctx.target.backend}"{needing(ctx.target.backend_module)}'
    return judgement(site, row, ctx, edits=CallEditor(ctx.source.text, call).insert_first(backend).edits())


def _set(site: Site, row: Row, ctx: Context, group: Site) -> Judgement:
    message = f"`torch.cuda.set_device()` before `init_process_group()` in line {group.line}: an error on Neuron"
    edits = _moved(site, group, ctx.answer(row), ctx)
    if edits is None:
        return by_hand(site, row, ctx, "move it behind the process group, or delete it", message=message)
    return judgement(site, row, ctx, verdict=Verdict.REVIEW, message=message, edits=edits)


def _started(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    used = uses_before(site, ctx)
    helper = helper_before(site, ctx) if not used else None
    if used:
        message = f"`init_process_group()` after the device is in use, from line {used[0].line}: an error on Neuron"
    elif helper is not None:
        name, line, what = helper
        message = f"`init_process_group()` after `{name}()` in line {line}, which calls `{what}`: an error on Neuron"
    else:
        return Dismissed(site, "agnostic")
    advice = "create the process group first"
    return judgement(site, row, ctx, verdict=Verdict.MANUAL, message=message, advice=advice)


def _moved(site: Site, group: Site, answer: Answer, ctx: Context) -> Edits | None:
    """Delete the statement and write it again, renamed, behind the process group's."""
    here, there = site.statement, group.statement
    if not ctx.edits or here is None or there is None or not here.alone or here.kind != "Expr" or there.kind != "Expr":
        return None
    if site.alias is not None or here.siblings < 2 or here.siblings != there.siblings or site.guards != group.guards:
        return None
    text, indent = ctx.source.text, _indent(ctx, here.start)
    if indent is None or indent != _indent(ctx, there.start) or PLACES.search(text, here.end, there.start):
        return None
    given = _renamed(site, here.end, ctx)
    if uses_before(group, ctx) or given is None:
        return None
    from porter.rewrite.calls import delete_statement

    gone = delete_statement(text, here.start, here.end, here.siblings)
    if gone is None:
        return None
    call = expression(spelled(answer, ctx)) + given
    if answer.absent and not is_present(site, ctx):
        call = behind_test(call, indent, ctx)
    said = _comment(text, gone, indent)
    gone = TextEdit(gone.start - len(said.encode()), gone.end, "")
    put = line_behind(there, f"{said}{indent}{call}".removeprefix(indent), ctx)
    return (gone, *put) if put is not None else None


def _comment(text: bytes, gone: TextEdit, indent: str) -> str:
    """The comment above a statement that goes, if it is about the device and what follows is not its own."""
    above = re.compile(rb"(?:^%b#[^\r\n]*\r?\n)+\Z" % indent.encode(), re.M).search(text, 0, gone.start)
    said = above.group().decode(errors="replace") if above is not None else ""
    alone = _FOLLOWED.match(text, gone.end) is not None
    return said if alone and _ABOUT_DEVICES.search(said) else ""


def _renamed(site: Site, end: int, ctx: Context) -> str | None:
    """What stands between a site and ``end``, with the devices named and counted there under the target's name.

    None where anything else in it would change.
    """
    text, at = "", site.end
    for inner in ctx.nesting.starting(site.end, end):
        row = ctx.catalogue.find(inner.kind, inner.name)
        if inner.kind == "device" and is_own(computed(inner, ctx), inner, ctx):
            for edit in sorted(device_literal(inner, ctx) or ()):
                text += ctx.text(at, edit.start) + edit.text
                at = edit.end
            continue
        if inner.name != "torch.cuda.device_count" or inner.alias is not None or row is None:
            return None
        text += ctx.text(at, inner.start) + expression(spelled(ctx.answer(row), ctx))
        at = inner.end
    return text + ctx.text(at, end)


def _indent(ctx: Context, start: int) -> str | None:
    """The white space before a statement; None where something else shares its line."""
    text = ctx.source.text
    line = text.rfind(b"\n", 0, start) + 1
    before = text[line:start]
    return None if before.strip() else before.decode()
