"""Autocast for CUDA, in every spelling: `torch.cuda.amp.autocast`, `torch.autocast("cuda")`, `custom_fwd`.

## What CUDA does

Matrix products and convolutions run in float16 unless a dtype is given.

## On Neuron

`torch.autocast("neuron", dtype=torch.bfloat16)`. float16 is accepted, bfloat16 is what the hardware and the
documentation want; porter writes the dtype out, so that the choice is in the open.

## When porter rewrites

`torch.cuda.amp.autocast(enabled)` takes `enabled` first, `torch.amp.autocast` the device: porter names the arguments
that stay. A dtype that is a variable stays as it is, and so do arguments that are unpacked from a dictionary of this
file with a dtype. `autocast = torch.cuda.amp.autocast` becomes a `functools.partial`, also as one of two that a
condition chooses, if all calls in the file name their arguments. `torch.get_autocast_gpu_dtype()` and
`torch.is_autocast_enabled()` mean CUDA where they name no device: they get one.

## Example

```py
with torch.cuda.amp.autocast(enabled=use_amp):
```

becomes

```py
with torch.amp.autocast("neuron", enabled=use_amp, dtype=torch.bfloat16):
```
"""

from __future__ import annotations

import ast

from porter.catalog.schema import Row
from porter.index.outline import Function, dotted
from porter.index.site import Argument, Call, Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Edits, Judgement, named, rule
from porter.rules.placement.devices import torch_name
from porter.rules.precision.forward import binds, reads, variable
from porter.rules.precision.to_numpy import casts, handed
from porter.rules.spelling import device_type
from porter.rules.table import action_of, by_hand, judge_by_row, judgement, subject
from porter.rules.uses import has_uses

_HALF = frozenset({"torch.float16", "torch.half"})
_OBJECT = "used as an object: a `functools.partial` of it is called alike"
_OTHERS = "it may stand for something else, which is called alike"
_CUDA_AMP = "torch.cuda.amp."
_NEW = "torch.amp.autocast"
# Calls that mean CUDA where they name no device: the general form's name, and how many arguments say no device.
_QUERIES = {
    "torch.get_autocast_gpu_dtype": ("torch.get_autocast_dtype", 0),
    "torch.set_autocast_gpu_dtype": ("torch.set_autocast_dtype", 1),
    "torch.is_autocast_enabled": ("torch.is_autocast_enabled", 0),
    "torch.set_autocast_enabled": ("torch.set_autocast_enabled", 1),
}


@rule("PRT303", "cuda-autocast")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge autocast and the custom function decorators."""
    if has_uses(site, ctx):
        return Dismissed(site, "part")
    name = site.name.rpartition(".")[2]
    if name in ("custom_fwd", "custom_bwd"):
        return _custom(site, row, ctx, name)
    if site.name in ("torch.get_autocast_dtype", "torch.set_autocast_dtype"):
        return Dismissed(site, "agnostic")
    if site.name in _QUERIES and site.call is not None:
        return _query(site, row, ctx, site.call)
    if name != "autocast" or site.kind != "symbol":
        return judge_by_row(site, row, ctx)
    old = site.name.startswith(_CUDA_AMP)
    if site.role == "import":
        return judgement(site, row, ctx, rename=_NEW) if old else Dismissed(site, "agnostic")
    if site.call is None:
        return _bound(site, row, ctx) if old else _device_bound(site, row, ctx)
    return _old(site, row, ctx, site.call) if old else _general(site, row, ctx, site.call)


def _bound(site: Site, row: Row, ctx: Context) -> Judgement:
    """``autocast = torch.cuda.amp.autocast``: a name of the program's own, which something else may have as well."""
    if _is_called(site, ctx):
        return judgement(site, row, ctx, rename=_NEW)
    partial = _partial(site, ctx)
    if partial is None:
        return by_hand(site, row, ctx, _OBJECT)
    advice = "write `functools.partial(torch.amp.autocast, ...)`"
    return judgement(site, row, ctx, advice=advice, edits=ctx.edit(site.start, site.end, partial) if ctx.edits else ())


def _device_bound(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """``partial(torch.autocast, device_type="cuda")``: without a dtype it computes in float16 on the target."""
    match ctx.outline().expressions(site.start, site.end)[-2:]:
        case [ast.Call(args=[first, *given], keywords=keywords) as call, own] if own is first:
            by_name = {keyword.arg: keyword.value for keyword in keywords}
        case _:
            return Dismissed(site, "agnostic")
    said = ast.unparse(given[0] if given else by_name.get("device_type", first))
    chosen = _bfloat16(None, ctx)
    plain = (dotted(call.func) or "").rpartition(".")[2] == "partial" and not {None, "dtype"} & by_name.keys()
    match by_name.get("enabled"):
        case ast.Constant(value=False):
            return Dismissed(site, "part")  # of the device string: no dtype counts where autocast is off
    if not plain or len(given) > 1 or not said.startswith("'cuda") or ctx.target.keeps_cuda:
        return Dismissed(site, "agnostic")
    end = ctx.outline().span((given + list(by_name.values()))[-1]).end
    return judgement(site, row, ctx, edits=ctx.edit(end, end, f", dtype={chosen}") if ctx.edits else ())


def _is_called(site: Site, ctx: Context) -> bool:
    """Whether a name stands for the class alone, and is called wherever it is used."""
    uses = ctx.where("alias", site.start)
    return bool(uses) and all(use.certain and use.call is not None for use in uses)


def _partial(site: Site, ctx: Context) -> str | None:
    """What is called as the class is that a statement gives a name; None where calls pass more than ``enabled=``."""
    if site.parent == "IfExp":
        alike = _chosen_alike(site, ctx)
    else:
        uses = ctx.where("alias", site.start)
        calls = [s.call for s in uses if s.call is not None]
        named_so = all(a.keyword == "enabled" for call in calls for a in call.arguments)
        alike = site.parent == "Assign" and bool(calls) and len(calls) == len(uses) and named_so
    if not alike:
        return None
    given = device_type(site, ctx) + ("" if ctx.target.keeps_cuda else f", dtype={named('torch.bfloat16')}")
    return f"{named('functools.partial')}({named('torch.amp.autocast')}, {given})"


def _chosen_alike(site: Site, ctx: Context) -> bool:
    """Whether a name is only called, and plainly: ``cast = torch.cuda.amp.autocast if half else nullcontext``."""
    match ctx.outline().around(site.start)[-1:]:
        case [ast.Assign(targets=[ast.Name(id=name)])]:
            nodes = list(ast.walk(ctx.outline().home(name, site.start)))
        case _:
            return False
    calls = (node for node in nodes if isinstance(node, ast.Call) and not node.args)
    plain = {id(call.func) for call in calls if all(keyword.arg == "enabled" for keyword in call.keywords)}
    uses = [n for n in nodes if isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load)]
    return bool(uses) and all(id(use) in plain for use in uses)


def stays_an_object(site: Site, ctx: Context) -> bool:
    """Whether the site is autocast for CUDA that is no call, and that only a person can port."""
    plain = site.name == f"{_CUDA_AMP}autocast" and site.call is None and site.role == "load"
    return plain and not _is_called(site, ctx) and _partial(site, ctx) is None


def _old(site: Site, row: Row, ctx: Context, call: Call) -> Judgement | Dismissed:
    """``torch.cuda.amp.autocast(enabled, dtype, cache_enabled)``."""
    if call.unpacked and not _unpacked(call, ctx):
        return by_hand(site, row, ctx, "its arguments cannot be seen")
    bound = next((s for s in ctx.where("start", site.alias) if s.role == "load"), None)
    if bound is not None and not site.certain:
        if _partial(bound, ctx) is not None:
            return Dismissed(site, "part")
        return by_hand(site, row, ctx, f"give the name of line {bound.line} a `functools.partial`: {_OTHERS}")
    dtype, plain = call.get("dtype", 1), call.get("dtype", 1) is None and not call.unpacked
    off = plain and _disabled(call.get("enabled", 0))
    if not ctx.edits:
        return _off(site, row, ctx) if off else judgement(site, row, ctx)
    from porter.rewrite.calls import CallEditor

    editor = CallEditor(ctx.source.text, call).insert_first(device_type(site, ctx))
    positional = [a for a in call.arguments if a.keyword is None]
    for argument, parameter in reversed(list(zip(positional, ("enabled", "dtype", "cache_enabled"), strict=False))):
        editor.rename_keyword(argument, parameter)
    if off:
        return _off(site, row, ctx, editor.edits())
    chosen, advice = _bfloat16(dtype, ctx), ""
    if ctx.target.keeps_cuda:
        pass  # each device has its own default, and CUDA's is what it was
    elif plain:
        editor.append(f"dtype={chosen}")
    elif dtype is not None and dtype.symbol in _HALF:
        editor.replace(dtype, chosen)
    elif dtype is not None:
        advice = f"write `torch.autocast({device_type(site, ctx)})`, with the dtype that is given"
    edits, note = editor.edits(), _shown(site, ctx)
    return judgement(site, row, ctx, advice=advice, note=note, edits=edits, rename=_NEW)


def _off(site: Site, row: Row, ctx: Context, edits: Edits | None = ()) -> Judgement:
    """``torch.cuda.amp.autocast(enabled=False)``: by either name nothing is cast, and no dtype is to be chosen."""
    verdict = Verdict.AUTO if site.certain else None
    message = f"{subject(site)} turns mixed precision off"
    device = f'"{ctx.target.device}"' if ctx.target.device else "DEVICE"
    advice = f"write `{_NEW}({device}, enabled=False)`"
    return judgement(
        site, row, ctx, verdict=verdict, message=message, advice=advice, note=None, edits=edits, rename=_NEW
    )


def _shown(site: Site, ctx: Context) -> str:
    """What of the block's results goes to NumPy as it is, which has no bfloat16; empty where nothing does."""
    block = ctx.outline().around(site.start)[-1]
    if ctx.target.keeps_cuda or not isinstance(block, ast.With | ast.AsyncWith) or b".numpy(" not in ctx.source.text:
        return ""
    results = {name for statement in block.body if not casts(statement) for name in binds(statement)}
    home = ctx.outline().innermost(site.start)
    if (shown := handed(results, home or ctx.outline().tree)) or home is None:
        return shown
    functions = [node for node in ctx.outline().nodes if isinstance(node, Function)]
    returned = [n.value for n in ast.walk(home) if isinstance(n, ast.Return) and n.value and results & reads(n.value)]
    callers = ((_given(home.name, value, results, caller), caller) for value in returned for caller in functions)
    return next((shown for names, caller in callers if (shown := handed(names, caller))), "")


def _given(function: str, value: ast.expr, results: set[str], caller: ast.AST) -> set[str]:
    """The names of a caller that get results of a block by what a function returns: ``out, target = step(batch)``."""
    names: set[str] = set()
    for node in ast.walk(caller):
        match node:
            case ast.Assign(targets=[target], value=ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name))) if (
                name == function
            ):
                if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                    pairs = zip(target.elts, value.elts, strict=False)
                    names.update(v for t, part in pairs if results & reads(part) and (v := variable(t)))
                else:
                    names.update(binds(node))
    return names


def _unpacked(call: Call, ctx: Context) -> bool:
    """Whether what is unpacked takes the device in front: arguments by name, the dtype among them where it matters."""
    mappings = [a for a in call.arguments if a.keyword in ("*", "**")]
    if len(mappings) > 1 or mappings[0].keyword == "*":
        return False
    if ctx.target.keeps_cuda or call.get("dtype", 1) is not None:
        return True
    name = ctx.text(mappings[0].start, mappings[0].end)
    assigned = (node for node in ctx.outline().nodes if isinstance(node, ast.Assign))
    values = [node.value for node in assigned if any(dotted(target) == name for target in node.targets)]
    return bool(values) and all(_chooses_dtype(value) for value in values)


def _chooses_dtype(value: ast.expr) -> bool:
    """Whether an expression is a dictionary that says a dtype, and not float16 itself."""
    entries = zip(value.keys, value.values, strict=True) if isinstance(value, ast.Dict) else ()
    given = [ast.unparse(dtype) for key, dtype in entries if isinstance(key, ast.Constant) and key.value == "dtype"]
    return bool(given) and not _HALF & {*given}


def _general(site: Site, row: Row, ctx: Context, call: Call) -> Judgement | Dismissed:
    """``torch.autocast(device_type, dtype, ...)``: the device string is a site of its own, the dtype is ours."""
    device = call.get("device_type", 0)
    named = device is not None and isinstance(device.literal, str) and device.literal.startswith("cuda")
    if not named:
        return Dismissed(site, "agnostic")
    if ctx.target.keeps_cuda:
        return Dismissed(site, "part")
    dtype = call.get("dtype", 1)
    silent = dtype is None and not _disabled(call.get("enabled", 2)) and not call.unpacked
    if not silent and (dtype is None or dtype.symbol not in _HALF):
        return Dismissed(site, "part")
    chosen = _bfloat16(dtype, ctx)
    if not ctx.edits:
        return judgement(site, row, ctx)
    if dtype is not None:
        return judgement(site, row, ctx, note=_shown(site, ctx), edits=ctx.edit(dtype.start, dtype.end, chosen))
    from porter.rewrite.calls import CallEditor

    edits = CallEditor(ctx.source.text, call).append(f"dtype={chosen}").edits()
    return judgement(site, row, ctx, note=_shown(site, ctx), edits=edits)


def _query(site: Site, row: Row, ctx: Context, call: Call) -> Judgement | Dismissed:
    """``torch.get_autocast_gpu_dtype()``: the general form names its device first."""
    target, arguments = _QUERIES[site.name]
    if len(call.arguments) != arguments or call.unpacked:
        return Dismissed(site, "agnostic")
    if not ctx.edits:
        return judge_by_row(site, row, ctx)
    from porter.rewrite.calls import CallEditor

    edits = CallEditor(ctx.source.text, call).insert_first(device_type(site, ctx)).edits()
    return judgement(site, row, ctx, edits=edits, rename=target if target != site.name else None)


def _custom(site: Site, row: Row, ctx: Context, name: str) -> Judgement | Dismissed:
    """``custom_fwd`` and ``custom_bwd`` need to be told the device type."""
    target = f"torch.amp.{name}"
    if action_of(ctx.answer(row)) not in ("rule", "rename"):
        return judge_by_row(site, row, ctx)
    if not site.name.startswith(_CUDA_AMP):
        return Dismissed(site, "agnostic")
    if site.role == "import":
        return judgement(site, row, ctx, verdict=Verdict.AUTO, rename=target)
    keyword = f"device_type={device_type(site, ctx)}"
    if site.call is None:
        if site.role != "decorator":
            return by_hand(site, row, ctx, "used as an object")
        return judgement(site, row, ctx, edits=ctx.edit(site.end, site.end, f"({keyword})"), rename=target)
    return judgement(site, row, ctx, edits=_custom_call(site, site.call, keyword, ctx), rename=target)


def _custom_call(site: Site, call: Call, keyword: str, ctx: Context) -> Edits | None:
    if not ctx.edits or call.unpacked:
        return None
    if any(a.keyword is None for a in call.arguments):
        return None
    from porter.rewrite.calls import CallEditor

    editor = CallEditor(ctx.source.text, call).append(keyword)
    cast = call.get("cast_inputs")
    chosen = _bfloat16(cast, ctx)
    if cast is not None and cast.symbol in _HALF and not ctx.target.keeps_cuda:
        editor.replace(cast, chosen)
    return editor.edits()


def _disabled(enabled: Argument | None) -> bool:
    return enabled is not None and enabled.literal is False


def _bfloat16(dtype: Argument | None, ctx: Context) -> str:
    """``torch.bfloat16`` in the file's own spelling of ``torch``, which it imports if it has none."""
    spelled = ctx.text(dtype.start, dtype.end).rpartition(".")[0] if dtype is not None else ""
    root = spelled or torch_name(ctx)
    return f"{root}.bfloat16" if root else named("torch.bfloat16")
