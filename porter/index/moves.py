"""What a program does before it moves a model to its device, where moving makes new parameters.

CUDA's tensors take the place of a module's parameters in place: an optimizer goes on with them, and tied weights stay
tied. On a lazy device `module.to(device)` gives the module new ones, each by itself. Nothing is judged here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import msgspec

from porter.index.loops import OPTIMIZER, Facts, Function, Owner
from porter.index.outline import dotted

_MOVES = frozenset({"to", "cuda"})


class Early(msgspec.Struct, frozen=True):
    """An optimizer that is made of a model's parameters, and the statement behind it that moves the model."""

    optimizer: ast.Assign
    model: str
    move: ast.stmt
    between: bool  # whether something uses the optimizer before the move, or the two stand in different blocks


class Tie(msgspec.Struct, frozen=True):
    """``self.head.weight = self.embed.weight``, and where a model that does so is moved."""

    statement: ast.Assign
    move: ast.stmt | None = None  # None: not in this file, or not in a statement of its own
    model: str = ""

    @property
    def again(self) -> str:
        """The statement that ties the weights of the moved model."""
        target, value = ast.unparse(self.statement.targets[0]), ast.unparse(self.statement.value)
        return f"{self.model}.{target.removeprefix('self.')} = {self.model}.{value.removeprefix('self.')}"


def early_optimizers(tree: ast.Module, facts: Facts) -> Iterator[Early]:
    """Optimizers that are made before their model is moved, in the same function."""
    for owner in _owners(tree):
        blocks = list(_blocks(owner))
        moves = [(name, statement, block) for block in blocks for statement in block for name in _moved(statement)]
        for block in blocks:
            for statement in block:
                if not isinstance(statement, ast.Assign) or facts.type_of(statement.value, owner) != OPTIMIZER:
                    continue
                models = set(_parameters_of(statement.value))
                behind = ((n, m, b) for n, m, b in moves if n in models and m.lineno > statement.lineno)
                name, move, other = next(behind, ("", None, block))
                if move is not None:
                    names = {ast.unparse(target) for target in statement.targets}
                    yield Early(statement, name, move, other is not block or _uses(block, statement, move, names))


def ties(tree: ast.Module, facts: Facts) -> Iterator[Tie]:
    """Weights that a module ties, with the moves of the modules that do."""
    classes = {node.name: list(_ties(node)) for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    moved: set[str] = set()
    for owner in _owners(tree):
        for statement in (statement for block in _blocks(owner) for statement in block):
            for name, model in _moved(statement).items():
                kind = facts.type_of(model, owner).rpartition(".")[2]
                moved.add(kind)
                yield from (Tie(tie, statement, name) for tie in classes.get(kind, ()))
    for name, found in classes.items():
        if name not in moved:
            yield from map(Tie, found)


def _ties(node: ast.ClassDef) -> Iterator[ast.Assign]:
    for inner in ast.walk(node):
        match inner:
            case ast.Assign(
                targets=[ast.Attribute(attr="weight") as target], value=ast.Attribute(attr="weight") as value
            ):
                both = (dotted(target) or "", dotted(value) or "")
                if all(name.startswith("self.") for name in both):
                    yield inner


def _moved(statement: ast.stmt) -> dict[str, ast.expr]:
    """The models that a statement moves, by the names that they have behind it."""
    call = statement.value if isinstance(statement, ast.Expr | ast.Assign) else None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or call.func.attr not in _MOVES:
        return {}
    if isinstance(statement, ast.Assign):
        name = dotted(statement.targets[0]) if len(statement.targets) == 1 else None
    else:
        name = dotted(call.func.value)
    return {name: call.func.value} if name is not None else {}


def _parameters_of(node: ast.expr) -> Iterator[str]:
    """The models whose parameters an expression mentions."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Attribute) and inner.attr.endswith("parameters"):
            name = dotted(inner.value)
            if name is not None:
                yield name


def _uses(block: list[ast.stmt], first: ast.stmt, last: ast.stmt, names: set[str]) -> bool:
    """Whether a statement between two of a block reads one of the names."""
    between = block[block.index(first) + 1 : block.index(last)]
    nodes = (node for statement in between for node in ast.walk(statement))
    return any(isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node) in names for node in nodes)


def _owners(tree: ast.Module) -> Iterator[Owner]:
    yield tree
    yield from (node for node in ast.walk(tree) if isinstance(node, Function))


def _blocks(owner: ast.AST) -> Iterator[list[ast.stmt]]:
    """The blocks of a function, without those of functions and classes in it."""
    for field in ("body", "orelse", "finalbody"):
        block = getattr(owner, field, None)
        if isinstance(block, list) and block:
            yield block
            for statement in block:
                if not isinstance(statement, Function | ast.ClassDef):
                    yield from _blocks(statement)
    for handler in getattr(owner, "handlers", ()):
        yield from _blocks(handler)
