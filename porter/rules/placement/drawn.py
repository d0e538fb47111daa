"""Where a function's variables are drawn from: out of a loader, by its name, and with which others."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache

_LOADER = re.compile(r"loaders?$", re.I)
_DRAWING = frozenset({"next", "iter", "list"})
_HOPS = 4  # names between what is moved and a loader
_HOMES, _NAMES = 4, 256  # functions, and names in them, of which is remembered what many sites ask

Drawn = dict[str, list[tuple[set[str], ast.expr]]]


def loader_of(node: ast.expr, home: ast.AST, hops: int = _HOPS) -> str | None:
    """The loader that something comes out of, by its name: ``for batch in enumerate(train_loader)``."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) if _LOADER.search(name):
            return name
        case ast.Subscript(value=inner) | ast.Call(args=[inner, *_]):
            return loader_of(inner, home, hops)
        case ast.Call(func=ast.Attribute(value=inner, attr="items" | "values")):
            return loader_of(inner, home, hops)
        case ast.Name(id=name) if hops:
            return _loader_named(name, home, hops)
    return None


@lru_cache(maxsize=_NAMES)
def _loader_named(name: str, home: ast.AST, hops: int) -> str | None:
    values = (value for _, value in drawn(home).get(name, ()))
    return next((found for value in values if (found := loader_of(value, home, hops - 1)) is not None), None)


@lru_cache(maxsize=_HOMES)
def drawn(home: ast.AST) -> Drawn:
    """The variables of a function's loops and assignments: those bound with each, and what they are drawn from."""
    found: Drawn = {}
    for target, value in _bindings(home):
        names = {node.id for node in ast.walk(target) if isinstance(node, ast.Name)}
        for name in names:
            found.setdefault(name, []).append((names, value))
    return found


def _bindings(home: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """The targets of a function's loops and assignments, with what is iterated over, drawn or unpacked."""
    for node in ast.walk(home):
        match node:
            case ast.For(target=target, iter=value) | ast.comprehension(target=target, iter=value):
                yield from _iterated(target, value)
            case ast.Assign(targets=[target], value=ast.Name() | ast.Subscript() as value):
                yield target, value
            case ast.Assign(targets=[target], value=ast.Call(func=ast.Name(id=name)) as value) if name in _DRAWING:
                yield target, value


def _iterated(target: ast.expr, value: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    """The targets of a loop, each with what it is drawn from: the numbers of ``enumerate`` come from nowhere."""
    match value, target:
        case ast.Call(func=ast.Name(id="enumerate"), args=[inner, *_]), ast.Tuple(elts=[_, rest]):
            yield from _iterated(rest, inner)
        case ast.Call(func=ast.Name(id="zip"), args=parts), ast.Tuple(elts=targets):
            for part, own in zip(parts, targets, strict=False):
                yield from _iterated(own, part)
        case ast.Call(args=[ast.Call() as inner, *_]), _:
            yield from _iterated(target, inner)
        case _:
            yield target, value
