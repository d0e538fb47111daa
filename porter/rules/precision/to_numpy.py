"""What a function hands to NumPy, which has no bfloat16."""

from __future__ import annotations

import ast
from functools import lru_cache

from porter.rules.precision.forward import reads

# Methods and functions whose results are no bfloat16, or not all of them, whatever they are made of.
_CASTS = frozenset(
    {"float", "double", "half", "long", "int", "bool", "to", "type", "argmax", "argmin", "argsort"}
    | {"max", "min", "topk", "sort", "nonzero", "multinomial", "generate"}
)


def handed(names: set[str], home: ast.AST) -> str:
    """Which of some names a function hands to NumPy as they are, as people are told; empty where it hands none."""
    for method, read in _to_numpy(home) if names else ():
        if shown := names & read:
            return f"line {method.lineno} hands `{min(shown)}` to NumPy, which has no bfloat16: `.float()` first"
    return ""


def casts(node: ast.AST) -> bool:
    """Whether something in ``node`` makes values of another type."""
    return any(isinstance(inner, ast.Attribute) and inner.attr in _CASTS for inner in ast.walk(node))


@lru_cache(maxsize=4)
def _to_numpy(home: ast.AST) -> list[tuple[ast.Attribute, set[str]]]:
    """What a function hands to NumPy as it is, ``out.cpu().numpy``, and the names that it reads."""
    calls = (node.func for node in ast.walk(home) if isinstance(node, ast.Call))
    methods = (method for method in calls if isinstance(method, ast.Attribute) and method.attr == "numpy")
    return [(method, reads(method)) for method in methods if not casts(method)]
