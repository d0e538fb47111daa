"""How many dimensions a tensor has, where the code that makes it says so: `x.view(b, n, h, d)` has four."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from porter.rules.base import Context

_SHAPED = frozenset({"view", "reshape", "permute", "expand"})
_ALIKE = frozenset({"contiguous", "to", "cuda", "cpu", "float", "half", "bfloat16", "type", "type_as", "transpose"})
_ALIKE |= {"clone", "detach", "mul", "div", "chunk", "split", "repeat_interleave"}
_GROUP = re.compile(r"\([^()]*\)|[^\s()]+")


def rank(name: str, offset: int, ctx: Context) -> int | None:
    """The dimensions of what a variable holds at ``offset``; None where the code before it does not say."""
    before: list[ast.stmt] = []
    for outer, statements in ctx.outline().before(offset):
        before += reversed(statements)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef):
            break
    return _of_name(name, before)


def _of_name(name: str, before: Sequence[ast.stmt]) -> int | None:
    for i, statement in enumerate(before):
        stores = [n for n in ast.walk(statement) if isinstance(n, ast.Name) and n.id == name and _is_stored(n)]
        if not stores:
            continue
        match statement:
            case (
                ast.Assign(targets=[ast.Name()], value=value)
                | ast.AnnAssign(target=ast.Name(), value=ast.expr() as value)
            ):
                return _of(value, before[i + 1 :])
            case ast.Assign(targets=[ast.Tuple(elts=targets)], value=value):
                place = next((k for k, t in enumerate(targets) if isinstance(t, ast.Name) and t.id == name), None)
                return None if place is None else _of_item(place, value, before[i + 1 :])
        return None
    return None


def _of_item(place: int, value: ast.expr, before: Sequence[ast.stmt]) -> int | None:
    """The dimensions of one of several values that are unpacked."""
    match value:
        case ast.Tuple(elts=elements) if place < len(elements):
            return _of(elements[place], before)
        case ast.Call(func=ast.Attribute(value=receiver, attr="unbind")):
            found = _of(receiver, before)
            return None if found is None else found - 1
        case ast.Call(func=ast.Attribute(attr="chunk" | "split")):
            return _of(value, before)
        case ast.Call(func=ast.Name(id="map"), args=[ast.Lambda(body=each), *_]):
            return _of(each, ())
        case ast.ListComp(elt=each) | ast.GeneratorExp(elt=each):
            return _of(each, ())
    return None


def _of(value: ast.expr, before: Sequence[ast.stmt]) -> int | None:
    match value:
        case ast.Name(id=name):
            return _of_name(name, before)
        case ast.IfExp(body=one, orelse=other):
            found = _of(one, before)
            return found if found == _of(other, before) else None
        case ast.Call(func=ast.Name(id="rearrange"), args=[_, ast.Constant(value=str(pattern)), *_]):
            axes = _GROUP.findall(pattern.partition("->")[2])
            return None if "..." in axes else len(axes)
        case ast.Call(func=ast.Attribute(value=receiver, attr=method), args=given):
            return _of_method(method, receiver, given, before)
    return None


def _of_method(method: str, receiver: ast.expr, given: list[ast.expr], before: Sequence[ast.stmt]) -> int | None:
    if method in _SHAPED:
        sizes = given[0].elts if len(given) == 1 and isinstance(given[0], ast.Tuple | ast.List) else given
        known = sizes is not given or len(given) > 1
        return len(sizes) if known and not any(isinstance(size, ast.Starred) for size in sizes) else None
    if method not in _ALIKE and method != "unsqueeze":
        return None
    found = _of(receiver, before)
    return found if found is None or method in _ALIKE else found + 1


def _is_stored(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)
