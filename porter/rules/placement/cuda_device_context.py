"""The current CUDA device, its number and its count: bookkeeping that differs where one process owns one core.

## What CUDA does

`set_device`, `current_device`, `device_count` and `with torch.cuda.device(i)` choose and count the GPUs of this
process.

## On Neuron

The same names under `torch.neuron`. In a distributed run `set_device` must come after `init_process_group`
(see `device-before-process-group`), and `device_count()` is then the local world size, not the machine's capacity.

## When porter leaves the count

`if torch.cuda.device_count() > 1: model = nn.DataParallel(model)` rightly skips the wrapper where CUDA has no device.
A count of NeuronCores would let one process drive several of them, which Neuron does not do: the test stays. So does
one that leads to a function of the program which splits batches, and the count over which it splits them.

## Example

```py
torch.cuda.set_device(local_rank)
```

becomes

```py
torch.neuron.set_device(local_rank)
```
"""

from __future__ import annotations

import ast
import re

from porter.catalog.schema import Row
from porter.index.outline import Function, dotted
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Edits, Judgement, rule
from porter.rules.placement.abroad import handed
from porter.rules.placement.behind import opened
from porter.rules.placement.beside import held_against, vendors
from porter.rules.placement.devices import argument_around, word_edit
from porter.rules.placement.flags import flag, reads
from porter.rules.placement.indices import computed, is_own, with_its_moves
from porter.rules.placement.reach import calls_what
from porter.rules.table import by_hand, judgement
from porter.rules.uses import asks_class, handle_beside, judge_use

# Expressions that a device is no part of, but its number is.
_OF_NUMBERS = frozenset({"BinOp", "Compare", "Slice", "Subscript", "UnaryOp"})

_SEVERAL = re.compile(rb"\s*(?:>\s*1|>=\s*2)\b")
_DRIVING = "from driving several devices"

_READ = frozenset({"text", "compare"})  # uses of a string that make no device

_TRAINED = "lightning.Trainer(devices)"  # and all that is called so


@rule("PRT109", "cuda-device-context")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue, where the name is used."""
    if argument_around(site, ctx) is not None or _in_device(site, ctx):
        return Dismissed(site, "part")
    if (edits := _unwrapped(site, ctx)) is not None:
        advice = "pass the device itself: what switches it for a block is no device"
        return judgement(site, row, ctx, verdict=Verdict.REVIEW, advice=advice, note=None, edits=edits)
    if (split := _split(site, ctx) or _splitter(site, ctx) or _unwraps(site, ctx)) is not None:
        what, tested = split
        return judgement(
            site,
            row,
            ctx,
            verdict=Verdict.PORTABLE if tested else Verdict.MANUAL,
            advice=f"left as it is: without CUDA it is 0, which keeps {what}",
            note=None if tested else "see what else the number decides",
        )
    if not ctx.target.keeps_cuda and (taker := _divided(site, ctx)) is not None:
        advice = f"it counts the devices over which line {taker.line} splits batches: port both together"
        return judgement(site, row, ctx, verdict=Verdict.MANUAL, advice=advice, note=None)
    if not ctx.target.keeps_cuda and (numbered := _numbered(site, ctx)) is not None:
        return by_hand(site, row, ctx, f"it counts the devices that line {numbered.line} numbers: port both together")
    if (launcher := _launcher(site, ctx)) is not None:
        advice = f"it says how many devices `{launcher}` starts, which knows none of {ctx.target.title}'s: port both"
        return judgement(site, row, ctx, verdict=Verdict.MANUAL, advice=advice)
    if (launch := _launch(site, ctx)) is not None:
        advice = f"ask `torch_xla.runtime.world_size()` in the processes that line {launch.line} starts"
        note = "none of them could start once this process has counted devices"
        return judgement(site, row, ctx, verdict=Verdict.MANUAL, advice=advice, note=note)
    if (
        site.name == "torch.cuda.device"
        and not ctx.target.keeps_cuda
        and (handle := handle_beside(site, ctx)) is not None
    ):
        return by_hand(site, row, ctx, f"line {handle.line} hands a stream to a library of CUDA's: port both together")
    if site.name == "torch.cuda.device_count" and not ctx.target.keeps_cuda and (why := _beside(site, ctx)):
        return judgement(site, row, ctx, verdict=Verdict.MANUAL, advice=why)
    if site.name == "torch.cuda.current_device" and not ctx.target.keeps_cuda and _is_default(site, ctx):
        why = "a default is asked for where the module is imported, and starts the runtime before any process group"
        return by_hand(site, row, ctx, f"{why}: ask where it is used")
    if site.name == "torch.cuda.current_device" and not ctx.target.numbered and site.parent in _OF_NUMBERS:
        return by_hand(site, row, ctx, "a number is asked for here, and a process has one device without any")
    return with_its_moves(judge_use(site, row, ctx), site, ctx)


def _unwrapped(site: Site, ctx: Context) -> Edits | None:
    """The edits that hand ``set_device`` the device in place of its context: ``set_device(torch.cuda.device(rank))``.

    CUDA's looks into the context, as no other does.
    """
    row = ctx.catalogue.find("symbol", "torch.cuda.set_device")
    if site.name != "torch.cuda.device" or site.call is None or row is None or not ctx.answer(row).replacement:
        return None
    given = (s.call.get("device", 0) for s in ctx.where("name", "torch.cuda.set_device") if s.call is not None)
    device = site.call.get("device", 0) if any(a and a.start == site.call.start for a in given) else None
    if device is None or len(site.call.arguments) > 1:
        return None
    gone = ((site.call.start, device.start), (device.end, site.call.end))
    return tuple(edit for start, end in gone for edit in ctx.edit(start, end, ""))


def _is_default(site: Site, ctx: Context) -> bool:
    """Whether a site is a default of a parameter, of a function that is defined where the module is imported."""
    match [node for node in ctx.outline().around(site.start) if isinstance(node, Function)]:
        case [function]:
            defaults = (*function.args.defaults, *filter(None, function.args.kw_defaults))
            return any(ctx.outline().span(default).holds(site.start) for default in defaults)
    return False


def _in_device(site: Site, ctx: Context) -> bool:
    """Whether the number is a part of a device that is written anew: ``f"cuda:{torch.cuda.current_device()}"``."""
    devices = (s for s in ctx.where("statement", site.statement) if s.kind == "device" and ":" in s.name)
    edits = (edit for device in devices for edit in word_edit(device, ctx) or ())
    return any(edit.start < site.start and site.end < edit.end for edit in edits)


def _beside(site: Site, ctx: Context) -> str:
    """Why a comparison of the count is for people: what else its statement counts, or holds it against."""
    if site.parent in ("Compare", "BoolOp") and (others := vendors(site, ctx)):
        return f"add {ctx.target.title} to this test beside {others}, and leave CUDA in it"
    if (foreign := handed(site, ctx)) is not None:
        return foreign.advice
    against = held_against(site, ctx)
    return f"it is compared with `{against}`, which answers for CUDA: decide both" if against is not None else ""


def _launcher(site: Site, ctx: Context) -> str | None:
    """What of Lightning's takes the number of devices that the site counts, by itself or by a name."""
    row = ctx.catalogue.find("argument", _TRAINED)
    if row is None or site.name != "torch.cuda.device_count" or ctx.target.keeps_cuda:
        return None
    takers = [name.partition("(")[0] for name in (row.name, *row.also)]
    around = {argument.name.partition("(")[0] for argument in ctx.nesting.around(site)}
    returned = site.statement is not None and site.statement.kind == "Return"
    place = f"r:{ctx.module}.{site.scope}" if returned else site.place
    return next((t for t in takers if t in around or ctx.project.feeds(place, f"p:{t}.devices", ctx.module)), None)


def _launch(site: Site, ctx: Context) -> Site | None:
    """The call that starts processes, each with a device, where counting would take the devices before them."""
    if site.name != "torch.cuda.device_count" or site.role != "call":
        return None
    for other in ctx.sites:
        row = ctx.catalogue.find(other.kind, other.name)
        if row is None or row.rule != "data-parallel" or row.signature is None or other.call is None:
            continue
        inside = other.call.start <= site.start and site.end <= other.call.end
        if not inside and ctx.answer(row).verdict is Verdict.REVIEW:
            return other
    return None


def _computed(ctx: Context) -> list[Site]:
    """The devices of the file whose number is computed, and that something is put on."""
    return [s for s in ctx.where("kind", "device") if s.name == "cuda:{}" and s.use not in _READ]


def _numbered(site: Site, ctx: Context) -> Site | None:
    """The device that a loop over the count numbers: ``[f"cuda:{i}" for i in range(torch.cuda.device_count())]``.

    So with one of several by any number, in the function that counts them.
    """
    if site.name != "torch.cuda.device_count" or site.role != "call":
        return None
    outline = ctx.outline()
    for node in (*outline.around(site.start)[-1:], *outline.expressions(site.start, site.end)):
        match node:
            case (
                ast.For()
                | ast.ListComp(generators=[_])
                | ast.SetComp(generators=[_])
                | ast.GeneratorExp(generators=[_])
            ):
                loop = node if isinstance(node, ast.For) else node.generators[0]
            case _:
                continue
        inside, name = outline.span(node), dotted(loop.target)
        devices = (s for s in ctx.once(_computed) if inside.holds(s.start))
        if outline.span(loop.iter).holds(site.start):
            return next((s for s in devices if computed(s, ctx) == name), None)
    home = outline.innermost(site.start)
    if home is None:
        return None
    inside = outline.span(home)
    devices = (s for s in ctx.once(_computed) if inside.holds(s.start))
    return next((s for s in devices if not is_own(computed(s, ctx), s, ctx)), None)


def _split(site: Site, ctx: Context) -> tuple[str, bool] | None:
    """What splits batches over the devices of this process, where the count says that there are several.

    With it, whether the count stands in that test itself. What starts a process for each is what Neuron asks for.
    """
    if site.name != "torch.cuda.device_count" or site.role != "call":
        return None
    split = next((o for o in opened(site, ctx) if _splits(o, ctx) and not asks_class(o, ctx)), None)
    if split is None:
        return None
    return f"line {split.line} {_DRIVING}", any(g.start <= site.start and site.end <= g.end for g in split.guards)


def _splitter(site: Site, ctx: Context) -> tuple[str, bool] | None:
    """Likewise the function of the program that does so, where the test is for several devices."""
    if site.name != "torch.cuda.device_count" or site.call is None or ctx.target.keeps_cuda:
        return None
    text, name = ctx.source.text, flag(site, ctx)
    tested = _SEVERAL.match(text, site.call.end) is not None
    if not tested and (name is None or re.search(reads(name).pattern + _SEVERAL.pattern, text) is None):
        return None
    found = calls_what(lambda inner: not inner.guards and _splits(inner, ctx), site, ctx)
    return (f"`{found}` {_DRIVING}", tested) if found is not None else None


def _unwraps(site: Site, ctx: Context) -> tuple[str, bool] | None:
    """Likewise what asks for the `.module` of a model, which the file wraps for several devices."""
    if site.name != "torch.cuda.device_count" or site.call is None or ctx.target.keeps_cuda:
        return None
    split = next((s for s in ctx.sites if _splits(s, ctx)), None)
    if split is None or _SEVERAL.match(ctx.source.text, site.call.end) is None:
        return None
    outline = ctx.outline()
    for node in (*outline.around(site.start), *outline.expressions(site.start, site.end)):
        if not isinstance(node, ast.If | ast.IfExp) or not outline.span(node.test).holds(site.start):
            continue
        arm = node.body if isinstance(node, ast.If) else [node.body]
        if any(isinstance(n, ast.Attribute) and n.attr == "module" for part in arm for n in ast.walk(part)):
            return f"`.module` from a model that line {split.line} leaves unwrapped", True
    return None


def _divided(site: Site, ctx: Context) -> Site | None:
    """What splits batches over the devices that are counted here, by itself or by a name of their numbers."""
    if site.name != "torch.cuda.device_count" or site.role != "call":
        return None
    named = [reads(name) for name in _names_of(site, ctx)]
    for other in ctx.sites:
        if other.call is None or other.scope != site.scope or not _splits(other, ctx):
            continue
        inside = other.call.start <= site.start < other.call.end
        if inside or any(name.search(ctx.source.text, other.end, other.call.end) for name in named):
            return other
    return None


def _names_of(site: Site, ctx: Context) -> list[bytes]:
    """What the numbers are called that a site counts, and the first of them: ``used = device_ids[:len(inputs)]``."""
    name, home = flag(site, ctx), ctx.outline().innermost(site.start)
    names = [name] if name is not None else []
    for node in ast.walk(home) if home is not None and names else ():
        match node:
            case ast.Assign([ast.Name(part)], ast.Subscript(ast.Name(whole), ast.Slice())) if whole.encode() in names:
                names.append(part.encode())
    return names


def _splits(site: Site, ctx: Context) -> bool:
    row = ctx.catalogue.find(site.kind, site.name)
    return site.role == "call" and row is not None and row.rule == "data-parallel" and row.signature is None
