"""What the order of statements says of a name: which assignment counts where it is used, and what a test has told."""

from __future__ import annotations

import ast
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from porter.index.scope import Binding, Scope

Point = tuple[int, int]  # line and column
Resolve = Callable[[ast.expr], "str | None"]  # the qualified name that an expression stands for

_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_COMPOUND = (*_LOOPS, ast.If, ast.With, ast.AsyncWith, ast.Try, getattr(ast, "TryStar", ast.Try), ast.Match)
_TENSOR = "torch.Tensor"


class Span(NamedTuple):
    """From one point of a file to another."""

    start: Point
    end: Point

    @classmethod
    def of(cls, nodes: Sequence[ast.expr | ast.stmt]) -> Span:
        """All of several nodes."""
        return cls(begin(nodes[0]), end(nodes[-1]))

    def holds(self, point: Point) -> bool:
        """Whether a point is within."""
        return self.start <= point < self.end


class Told(NamedTuple):
    """The class that a test has told of an object, and where that is so."""

    span: Span
    type: str
    why: str
    text: str  # of the object
    binding: Binding | None  # of a name


def begin(node: ast.AST) -> Point:
    """Where a node begins."""
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)


def end(node: ast.AST) -> Point:
    """Where a node ends."""
    return getattr(node, "end_lineno", 0), getattr(node, "end_col_offset", 0)


class _Block(NamedTuple):
    """A block of statements, or a loop as a whole."""

    span: Span
    outer: int  # what it stands in, by its number
    is_loop: bool


class Order:
    """Where the statements of a scope assign, and where they loop."""

    def __init__(self, body: list[ast.stmt]) -> None:
        self._blocks: list[_Block] = []  # in the order of the file, outer ones first
        self._assigned: dict[ast.AST, tuple[int, Point]] = {}  # what is assigned: in which block, and where
        self._given: dict[Binding, dict[int, list[tuple[Point, int]]]] = {}
        self._reaching: dict[ast.expr, slice] = {}
        if body:
            self._look(body, -1)

    def _look(self, block: list[ast.stmt], outer: int) -> None:
        own = self._enter(block, outer)
        for statement in block:
            if isinstance(statement, ast.Assign):
                parts = statement.value.elts if isinstance(statement.value, (ast.Tuple, ast.List)) else ()
                self._assigned.update(dict.fromkeys((statement.value, *parts), (own, end(statement))))
            elif isinstance(statement, _COMPOUND):
                around = self._enter([statement], own, is_loop=True) if isinstance(statement, _LOOPS) else own
                for inner in _blocks(statement):
                    self._look(inner, around)

    def _enter(self, nodes: list[ast.stmt], outer: int, *, is_loop: bool = False) -> int:
        self._blocks.append(_Block(Span.of(nodes), outer, is_loop))
        return len(self._blocks) - 1

    def reaching(self, binding: Binding, use: ast.expr) -> slice:
        """Those of a name's definitions, in the order of the file, that may count where it is used.

        What stands in the rest of the block of an assignment runs only if that has run, and replaced what was there
        before. What comes later counts only in a loop that begins behind that assignment.
        """
        if use not in self._reaching:
            self._reaching[use] = self._reaches(binding, begin(use))
        return self._reaching[use]

    def _reaches(self, binding: Binding, here: Point) -> slice:
        given, around = self._gives(binding), list(self._around(here))
        for block in (*around, -1):
            before = bisect_right(given.get(block, ()), here, key=itemgetter(0))
            if before:
                since, i = given[block][before - 1]
                if any(self._blocks[a].is_loop and since <= self._blocks[a].span.start for a in around):
                    return slice(i, None)
                later = bisect_right(binding.definitions, here, i + 1, key=lambda d: end(d.node))
                return slice(i, later if later < len(binding.definitions) else None)
        return slice(0, None)

    def _gives(self, binding: Binding) -> dict[int, list[tuple[Point, int]]]:
        """Where the assignments of a name begin to count, by their blocks, each with its number among the definitions.

        A parameter counts everywhere.
        """
        if binding not in self._given:
            found = self._given[binding] = {}
            for i, definition in enumerate(binding.definitions):
                is_parameter = isinstance(definition.node, ast.arg)
                place = (-1, (0, 0)) if is_parameter else self._assigned.get(definition.node)
                if place is not None:
                    found.setdefault(place[0], []).append((place[1], i))
        return self._given[binding]

    def _around(self, here: Point) -> Iterator[int]:
        """The blocks and loops around a point, innermost first."""
        block = bisect_right(self._blocks, here, key=lambda b: b.span.start) - 1
        while block >= 0:
            if self._blocks[block].span.holds(here):
                yield block
            block = self._blocks[block].outer


def _blocks(statement: ast.stmt) -> list[list[ast.stmt]]:
    """The blocks of a statement, in the order of the file."""
    parts = (statement, *getattr(statement, "handlers", ()), *getattr(statement, "cases", ()))
    found = (getattr(part, name, None) for part in parts for name in ("body", "orelse", "finalbody"))
    return sorted(filter(None, found), key=lambda block: begin(block[0]))


class Tests:
    """What the tests of a file tell of objects: ``isinstance(x, torch.Tensor)``, ``torch.is_tensor(batch[k])``."""

    def __init__(self) -> None:
        self._told: dict[str, list[Told]] = {}  # by the name that the object is, or is part of

    def holds(self, test: ast.expr, span: Span, scope: Scope, resolve: Resolve) -> None:
        """Note what is so within ``span``, where ``test`` holds."""
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
            for value in test.values:
                self.holds(value, span, scope, resolve)
        elif isinstance(test, ast.Call) and (type := _class(test, resolve)) is not None:
            tested = test.args[0]
            binding = scope.lookup(tested.id) if isinstance(tested, ast.Name) else None
            why = f"`{ast.unparse(test)[:60]}`, line {test.lineno}"
            told = Told(span, type, why, ast.unparse(tested), binding)
            self._told.setdefault(_root(tested), []).append(told)

    def fails(self, test: ast.expr, span: Span, scope: Scope, resolve: Resolve) -> None:
        """Note what is so within ``span``, where ``test`` does not hold."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            self.holds(test.operand, span, scope, resolve)
        elif isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or):
            for value in test.values:
                self.fails(value, span, scope, resolve)

    def at(self, node: ast.expr, scope: Scope) -> Told | None:
        """What is known of a name, or of a part of something, where it stands; a name may be assigned since."""
        notes = self._told.get(_root(node)) if self._told else None
        if not notes:
            return None
        here, text = begin(node), ast.unparse(node)
        binding = scope.lookup(node.id) if isinstance(node, ast.Name) else None
        for told in notes:
            if told.span.holds(here) and told.text == text and told.binding is binding:
                since = Span(told.span.start, here)
                if binding is None or not any(since.holds(begin(d.node)) for d in binding.definitions):
                    return told
        return None


def _class(test: ast.Call, resolve: Resolve) -> str | None:
    """The class that a call tells, where it yields true."""
    match test:
        case ast.Call(func=ast.Name("isinstance"), args=[_, ast.Name() | ast.Attribute() as told]):
            return resolve(told)
        case ast.Call(args=[_]) if resolve(test.func) == "torch.is_tensor":
            return _TENSOR
    return None


def _root(node: ast.expr) -> str:
    """The name that an expression is, or is a part of; empty for what is made where it stands."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""
