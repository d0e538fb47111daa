"""Which scope of a file binds each name that is read or imported: a parameter hides a package of its name."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import NamedTuple

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class Scopes(NamedTuple):
    """The function that binds each name that is read or imported, by offset; how often each reads a name of its own.

    Functions are numbered, the module is 0; what nothing binds is the module's. Bodies of classes and comprehensions
    count as the function around them.
    """

    homes: dict[int, int]
    reads: Counter[tuple[int, str]]


def scopes(tree: ast.Module, place: Callable[[int, int], int]) -> Scopes:
    """The scopes of a file; ``place`` makes an offset of line and column."""
    bound: dict[int, set[str]] = defaultdict(set)
    outer: dict[int, int] = {}
    named: list[tuple[int, str, int, bool]] = []  # offset, name, scope, and whether it is read
    pending: list[tuple[ast.AST, int]] = [(tree, 0)]
    while pending:
        node, scope = pending.pop()
        inner = scope
        if isinstance(node, _FUNCTIONS):
            inner = len(outer) + 1
            outer[inner] = scope
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            named.append((place(node.lineno, node.col_offset), node.id, scope, True))
        elif isinstance(node, ast.alias):
            local = node.asname or node.name.partition(".")[0]
            named.append((place(node.lineno, node.col_offset), local, scope, False))
            bound[scope].add(local)
        elif isinstance(node, ast.Name):
            bound[scope].add(node.id)
        elif isinstance(node, ast.arg):
            bound[scope].add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            bound[scope].add(node.name)
        pending += ((child, inner) for child in ast.iter_child_nodes(node))
    found = Scopes({}, Counter())
    for offset, name, scope, read in named:
        home = scope
        while home and name not in bound[home]:
            home = outer[home]
        found.homes[offset] = home
        found.reads[home, name] += read
    return found
