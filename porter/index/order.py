"""What the order of statements says of a name: which assignment counts where it is used, and what a test has told."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator, Sequence
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


_BODY = Span((0, 0), (sys.maxsize, 0))  # where a parameter counts


class Told(NamedTuple):
    """The class that a test has told of an object, and where that is so."""

    span: Span
    type: str
    why: str
    text: str  # of the object
    binding: Binding | None  # of a name


def begin(node: ast.AST) -> Point:
    """Where a node begins; the cases of a match have no place."""
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)


def end(node: ast.AST) -> Point:
    """Where a node ends."""
    return getattr(node, "end_lineno", 0), getattr(node, "end_col_offset", 0)


class Order:
    """Where the statements of a scope assign, and where they loop."""

    def __init__(self, body: list[ast.stmt]) -> None:
        self.assigned: dict[ast.AST, Span] = {}  # what is assigned, and the rest of the block: there it counts
        self.loops: list[Span] = []
        self._reaching: dict[ast.expr, slice] = {}
        if body:
            self._look(body)

    def _look(self, block: list[ast.stmt]) -> None:
        for statement in block:
            if isinstance(statement, ast.Assign):
                span = Span(end(statement), end(block[-1]))
                parts = statement.value.elts if isinstance(statement.value, (ast.Tuple, ast.List)) else ()
                self.assigned.update(dict.fromkeys((statement.value, *parts), span))
            elif isinstance(statement, _COMPOUND):
                if isinstance(statement, _LOOPS):
                    self.loops.append(Span.of([statement]))
                for inner in _blocks(statement):
                    self._look(inner)

    def reaching(self, definitions: Sequence[ast.AST], use: ast.expr) -> slice:
        """Those of a name's definitions, in the order of the file, that may count where it is used.

        What stands in the rest of the block of an assignment runs only if that has run, and replaced what was there
        before. What comes later counts only in a loop that begins behind that assignment.
        """
        if use not in self._reaching:
            self._reaching[use] = self._reaches(definitions, use)
        return self._reaching[use]

    def _reaches(self, definitions: Sequence[ast.AST], use: ast.expr) -> slice:
        here = begin(use)
        for i in range(len(definitions) - 1, -1, -1):
            span = _BODY if isinstance(definitions[i], ast.arg) else self.assigned.get(definitions[i])
            if span is not None and span.holds(here):
                if any(span.holds(loop.start) and loop.holds(here) for loop in self.loops):
                    return slice(i, None)
                later = (j for j in range(i + 1, len(definitions)) if end(definitions[j]) > here)
                return slice(i, next(later, None))
        return slice(0, None)


def _blocks(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    for part in (statement, *getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
        for name in ("body", "orelse", "finalbody"):
            if inner := getattr(part, name, None):
                yield inner


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
