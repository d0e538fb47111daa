"""Where a loop computes its losses: the statements that a context around the forward pass has to hold.

A loss is followed back, statement by statement, through the block in which its backward pass stands, to where a model
is called. What lies between belongs to the forward pass; what only scales the finished loss does not.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from itertools import pairwise

Run = tuple[ast.stmt, ast.stmt]  # the first and the last of statements of one block


def variable(node: ast.AST) -> str | None:
    """The variable that an expression is, or is a part of: ``loss`` of ``loss["a"].x``, ``self.loss`` of its own."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
            return f"self.{node.attr}"
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def reads(node: ast.AST) -> set[str]:
    """The variables whose values go into a statement or expression."""
    found = {variable(n) for n in ast.walk(node) if isinstance(n, ast.Name | ast.Attribute) and _is_read(n)}
    found |= {variable(n.target) for n in ast.walk(node) if isinstance(n, ast.AugAssign)}
    return {name for name in found if name is not None and name != "self"}


def _is_read(node: ast.Name | ast.Attribute) -> bool:
    return isinstance(node.ctx, ast.Load)


def binds(statement: ast.stmt) -> set[str]:
    """The variables that a statement gives a value, or changes by a method that it calls: ``losses.append(x)``."""
    stored = (ast.Name, ast.Attribute, ast.Subscript)
    found = {variable(n) for n in ast.walk(statement) if isinstance(n, stored) and isinstance(n.ctx, ast.Store)}
    for node in ast.walk(statement):
        match node:
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=changed))):
                found.add(variable(changed))
    return {name for name in found if name is not None and name != "self"}


def forward_passes(
    block: list[ast.stmt], backward: dict[int, set[str]], models: set[str], calls_model: Callable[[ast.AST], bool]
) -> list[Run]:
    """The runs of a block's statements that compute losses, between its backward passes; none if no model is called.

    ``backward`` has, by its place in the block, for each statement with a backward pass the variables of its loss.
    """
    needed: set[str] = set()
    behind: list[int] = []  # what leads to a loss
    for place in range(max(backward), -1, -1):
        if place in backward:
            needed |= backward[place]
        elif binds(block[place]) & needed:
            behind.append(place)
            needed |= reads(block[place]) - models
    computed: set[str] = set()  # what comes of a model
    forward: list[int] = []
    for place in reversed(behind):
        if calls_model(block[place]) or reads(block[place]) & computed:
            computed |= binds(block[place])
            forward.append(place)
    return [(block[run[0]], block[run[-1]]) for run in _runs(forward, backward, block, computed)]


def _runs(
    forward: list[int], backward: dict[int, set[str]], block: list[ast.stmt], computed: set[str]
) -> Iterator[list[int]]:
    """The statements of the forward pass between two backward passes, without those at the end that only scale."""
    ends = [-1, *sorted(backward)]
    for begin, end in pairwise(ends):
        run = [place for place in forward if begin < place < end]
        while run and _only_scales(block[run[-1]], computed):
            run.pop()
        if run:
            yield run


def _only_scales(statement: ast.stmt, computed: set[str]) -> bool:
    """Whether a statement makes a loss of itself alone: ``loss = loss / steps``, ``loss = loss.mean()``."""
    own = binds(statement)
    calls = (node.func for node in ast.walk(statement) if isinstance(node, ast.Call))
    methods = all(isinstance(function, ast.Attribute) and variable(function) in own for function in calls)
    return methods and reads(statement) & computed <= own
