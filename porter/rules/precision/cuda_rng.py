"""Seeds and states of CUDA's random number generators.

## What CUDA does

`torch.cuda.manual_seed_all()` seeds every GPU; `get_rng_state()` saves a generator's state.

## On Neuron

The same names under `torch.neuron`; `torch.manual_seed()` seeds the device too. The sequences differ from CUDA's, and
a saved state is 16 bytes: states from a CUDA checkpoint do not load.

## When porter rewrites

`torch.random.fork_rng()` saves the generators of the CPU and of the current accelerator, since torch 2.13: for Neuron
it stays. `torch.utils.checkpoint.set_device_states()` means CUDA's: it gets `device_type="neuron"`, unless it names a
type already.

## Example

```py
torch.cuda.manual_seed_all(seed)
```

becomes

```py
torch.neuron.manual_seed_all(seed)
```
"""

from __future__ import annotations

import ast
import re
from typing import TypedDict

from porter.catalog.schema import Row
from porter.index.outline import dotted
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Edits, Judgement, rule
from porter.rules.placement.devices import torch_name
from porter.rules.spelling import device_type
from porter.rules.table import by_hand, judge_by_row, judgement
from porter.rules.uses import judge_use

# PyTorch/XLA's states are integers.
_INTEGERS = frozenset({"torch_xla.core.xla_model.get_rng_state", "torch_xla.core.xla_model.set_rng_state"})
_MAKES_TENSOR = re.compile(r"^torch\.(?!load$)|\.(?:byte|clone|cpu|cuda|detach|to|type)$")
_SEEDS = frozenset({"torch.cuda.manual_seed", "torch.cuda.manual_seed_all"})
# What finds its device by `device_type`.
_TYPED = frozenset({"torch.random.fork_rng", "torch.utils.checkpoint.set_device_states"})


class _Edited(TypedDict, total=False):
    rename: str
    edits: Edits


@rule("PRT301", "cuda-rng")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue, but for ``fork_rng`` and the like, which may say which device they mean."""
    if site.name in _TYPED:
        return _typed(site, row, ctx)
    if ctx.edits and site.name in _SEEDS and (edits := _again(site, ctx)) is not None:
        note = "`torch.manual_seed` seeds every device" if ctx.target.keeps_cuda else "the one device has this seed"
        advice = "write `torch.manual_seed`" if "rename" in edits else "delete it: this seed is given just before"
        return judgement(site, row, ctx, verdict=Verdict.AUTO, advice=advice, note=note, **edits)
    if ctx.answer(row).replacement in _INTEGERS and (line := _line_of_tensor(site, ctx)) is not None:
        return by_hand(site, row, ctx, f"the state is an `int` there, and line {line} takes it for a tensor")
    return judge_use(site, row, ctx)


def _line_of_tensor(site: Site, ctx: Context) -> int | None:
    """Where a state is taken for a tensor: ``state.clone()``, ``torch.equal(before, after)``, ``(a == b).all()``."""
    around = ctx.outline().expressions(site.start, site.end)
    call = next((node for node in reversed(around) if isinstance(node, ast.Call)), None)
    if call is None:
        return None
    home = ctx.outline().innermost(site.start) or ctx.outline().tree
    outer = {inner: node for node in ast.walk(home) for inner in ast.iter_child_nodes(node)}
    names = {given.id for given in call.args if isinstance(given, ast.Name)}
    match outer.get(call):
        case ast.Assign(targets=[ast.Name(name)]):
            names.add(name)
    named = (node for node in outer if isinstance(node, ast.Name) and node.id in names)
    states: list[ast.expr] = [call, *named]
    used = next((node for node in states if _takes_tensor(node, outer)), None)
    made = (given for given in call.args if isinstance(given, ast.Call))
    used = used or next((given for given in made if _MAKES_TENSOR.search(ast.unparse(given.func))), None)
    return used.lineno if used is not None else None


def _takes_tensor(state: ast.AST, outer: dict[ast.AST, ast.AST]) -> bool:
    """Whether what a state stands in takes it for a tensor."""
    match outer.get(state):
        case ast.Attribute(value=value) | ast.Subscript(value=value):
            return value is state
        case ast.Compare() as compared:
            return isinstance(outer.get(compared), ast.Attribute)
        case ast.Call(func=function) as call if state is not function:
            name = dotted(function) or ""
            return name.startswith("torch.") and not name.endswith(("save", "rng_state")) and state in call.args
    return False


def _again(site: Site, ctx: Context) -> _Edited | None:
    """A seed that the device has been given just before: once is enough.

    The call goes. Where a test has nothing else behind it, or it cannot go, it becomes `torch.manual_seed`, if it was
    that which seeded every device.
    """
    call, statement = site.call, site.statement
    if call is None or statement is None or not statement.alone or len(call.arguments) != 1 or not site.editable:
        return None
    if not _is_seeded(site, ctx.text(call.arguments[0].start, call.arguments[0].end), ctx):
        return None
    if ctx.target.keeps_cuda and site.guards and all(_is_seed(other) for other in ctx.outline().block(site.start)):
        return {"rename": "torch.manual_seed"}
    from porter.rewrite.calls import delete_statement

    gone = delete_statement(ctx.source.text, statement.start, statement.end, statement.siblings)
    if gone is None:  # a comment keeps it
        return {"rename": "torch.manual_seed"} if ctx.target.keeps_cuda else None
    return {"edits": (gone,)}


def _is_seeded(site: Site, seed: str, ctx: Context) -> bool:
    """Whether the device got the same seed before the site, with nothing in between that draws a number.

    `torch.manual_seed` seeds every device; where a process has one, `torch.cuda.manual_seed` seeds all there is.
    """
    if ctx.target.keeps_cuda:
        seeding = [f"{torch_name(ctx)}.manual_seed"]
    else:
        seeding = [f"{torch_name(ctx)}{name.removeprefix('torch')}" for name in _SEEDS if not ctx.target.numbered]
    wanted = ast.dump(ast.parse(f"({seed})", mode="eval").body)
    for outer, above in ctx.outline().before(site.start):
        for statement in reversed(above):
            match statement:
                case ast.Expr(ast.Call(function, [value], [])) if dotted(function) in seeding:
                    return ast.dump(value) == wanted
            if not _is_idle(statement):
                return False
        if not isinstance(outer, ast.If):
            return False
    return False


def _is_seed(statement: ast.AST) -> bool:
    match statement:
        case ast.Expr(ast.Call(ast.Attribute(attr="manual_seed" | "manual_seed_all"))):
            return True
    return False


def _is_idle(statement: ast.AST) -> bool:
    """Whether a statement does nothing but seed something, or set a flag."""
    match statement:
        case ast.Expr(ast.Call(ast.Attribute(attr=name) | ast.Name(id=name))):
            return "seed" in name
        case ast.Expr(ast.Constant()):
            return True
        case ast.Assign([ast.Attribute() | ast.Subscript()], value):
            return not any(isinstance(node, ast.Call) for node in ast.walk(value)) or "environ" in ast.unparse(
                statement
            )
    return False


def _typed(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    call = site.call
    devices = call.get("devices", 0) if call is not None else None
    none = devices is not None and ctx.text(devices.start, devices.end) in ("[]", "()")
    if call is None or call.unpacked or call.get("device_type") is not None or none:
        return Dismissed(site, "agnostic")
    if not ctx.edits or ctx.answer(row).verdict is not Verdict.REVIEW:
        return judge_by_row(site, row, ctx)
    from porter.rewrite.calls import CallEditor

    edits = CallEditor(ctx.source.text, call).append(f"device_type={device_type(site, ctx)}").edits()
    return judgement(site, row, ctx, edits=edits)
