"""What draws from a generator, where all of it is in sight: then generator and draws move to the CPU together."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from porter.index.outline import dotted
from porter.index.site import Site
from porter.rules.base import Context, Edits, TextEdit
from porter.rules.placement.devices import torch_name

_FACTORIES = frozenset({"rand", "randint", "randn", "randperm", "normal"})
_SEEDS = frozenset({"manual_seed", "seed", "initial_seed"})  # what keeps the generator, or only asks
# Whoever takes a generator of the CPU there moves what is drawn: diffusers (`randn_tensor`), samplers of indices.
_TAKES_CPU = ("diffusers.", "torch.utils.data.")


class _OutOfSight(Exception):
    """A use of the generator that porter cannot rewrite, or does not know."""


def drawn_on_cpu(site: Site, ctx: Context) -> Edits | None:
    """The edits for a generator that is told its device at ``site``, and for all that draws from it; or None."""
    from porter.rewrite.calls import CallEditor

    outline, call = ctx.outline(), site.call
    argument = next((a for a in call.arguments if a.start == site.start), None) if call is not None else None
    if call is None or argument is None:
        return None
    made = CallEditor(ctx.source.text, call).remove(argument).edits()
    if made is None:
        return None
    around = outline.expressions(call.start, call.end)
    try:
        draws = list(_draws(around, call.start, ctx))
        moved = [edit for draw in draws for edit in _moved(draw, ctx)]
    except _OutOfSight:
        return None
    if not draws:  # another file draws from it
        return None
    return tuple(sorted({*made, *moved}))


def _draws(around: list[ast.expr], offset: int, ctx: Context) -> Iterator[ast.Call]:
    """The calls that are given the generator. Raises _OutOfSight."""
    outline = ctx.outline()
    while len(around) > 2 and _keeps(around[-3], around[-1]):
        around = around[:-2]
    generator = around[-1]
    if len(around) > 1:
        yield _taker(generator, around[-2])
        return
    match outline.around(offset)[-1]:
        case ast.Assign(targets=[target], value=value) if value is generator and (name := dotted(target)):
            yield from _uses(name, outline.home(name, offset), ctx)
        case _:
            raise _OutOfSight


def _keeps(outer: ast.expr, inner: ast.expr) -> bool:
    """Whether ``outer`` is ``inner.manual_seed(...)``, which is the generator again."""
    return (
        isinstance(outer, ast.Call)
        and isinstance(outer.func, ast.Attribute)
        and (outer.func.value is inner and outer.func.attr == "manual_seed")
    )


def _uses(name: str, home: ast.AST, ctx: Context) -> Iterator[ast.Call]:
    nodes = [node for node in ctx.outline().named(home, name) if ctx.outline().is_of(home, name, node)]
    if sum(isinstance(node.ctx, ast.Store) for node in nodes) != 1:
        raise _OutOfSight
    parents = ctx.once(_parents, home)
    for node in nodes:
        if not isinstance(node.ctx, ast.Load):
            continue
        match parents.get(node):
            case ast.keyword() as keyword:
                yield _taker(node, parents[keyword])
            case ast.Attribute(attr=attr) if attr in _SEEDS:
                pass
            case _:
                raise _OutOfSight


def _parents(ctx: Context, home: ast.AST) -> dict[ast.AST, ast.AST]:
    """What each node of a part of the file is a part of."""
    return {child: node for node in ast.walk(home) for child in ast.iter_child_nodes(node)}


def _taker(generator: ast.expr, parent: ast.AST) -> ast.Call:
    """The call that takes the generator by its keyword. Raises _OutOfSight."""
    if isinstance(parent, ast.Call) and any(k.arg == "generator" and k.value is generator for k in parent.keywords):
        return parent
    raise _OutOfSight


def _moved(draw: ast.Call, ctx: Context) -> Iterator[TextEdit]:
    """The edits that let a call draw on the CPU and move the tensor. Raises _OutOfSight."""
    function = dotted(draw.func) or ""
    root, _, last = function.rpartition(".")
    if root and root == torch_name(ctx) and last in _FACTORIES:
        device = next((k for k in draw.keywords if k.arg == "device"), None)
        if device is not None and not (isinstance(device.value, ast.Constant) and device.value.value == "cpu"):
            yield from _to(draw, device, ctx)
    elif not _known(function, ctx):
        raise _OutOfSight


def _to(draw: ast.Call, device: ast.keyword, ctx: Context) -> Iterator[TextEdit]:
    """``f(a, device=d, b)`` as ``f(a, b).to(d)``: the device stays where it stands, and may be edited there."""
    outline, text = ctx.outline(), ctx.source.text
    call, value = outline.span(draw), outline.span(device.value)
    arguments = sorted([*(outline.span(a) for a in draw.args), *(outline.span(k) for k in draw.keywords)])
    here = next(i for i, span in enumerate(arguments) if span.holds(value.start))
    before, after = arguments[:here], arguments[here + 1 :]
    opens = outline.span(draw.func).end + 1
    start = before[-1].end if before else opens
    last = after[-1] if after else arguments[here]
    gaps = text[start : arguments[here].start] + text[value.end : call.end]
    if b"#" in gaps or (after and any(after[0].start <= s.start < call.end for s in ctx.sites)):
        raise _OutOfSight
    moved = text[start : arguments[here].start] + text[after[0].start : last.end] if after else b""
    yield TextEdit(start, value.start, (moved + text[last.end : call.end]).decode() + ".to(")
    yield TextEdit(value.end, call.end, ")")


def _known(function: str, ctx: Context) -> bool:
    """Whether a callee takes a generator of the CPU: imported as such, or loaded by ``from_pretrained`` of one."""
    summary = ctx.project.summary(ctx.module)
    exports = summary.exports if summary is not None else {}

    def stands_for(name: str) -> bool:
        root, _, rest = name.partition(".")
        return f"{exports.get(root, '')}.{rest}".startswith(_TAKES_CPU)

    if stands_for(function):
        return True
    for node in ctx.outline().nodes:
        match node:
            case ast.Assign(targets=[target], value=value) if dotted(target) == function and _loaded_from(
                value, stands_for
            ):
                return True
    return False


def _loaded_from(value: ast.expr, stands_for: Callable[[str], bool]) -> bool:
    """Whether a value is ``Class.from_pretrained(...)``, and perhaps moved at once, of a class as asked for."""
    while isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        if value.func.attr == "from_pretrained":
            return stands_for(dotted(value.func.value) or "")
        value = value.func.value
    return False
