"""The outline of a file that is about to be edited: its functions, its blocks, and what a test leads to.

Sites know their own place. What else stands in the same block, function or arm takes the tree, which is parsed again
for the few files whose edits depend on it.
"""

from __future__ import annotations

import ast
import warnings
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from typing import TypeVar

import msgspec

from porter.index.guards import condition, exits, truth

Function = ast.FunctionDef | ast.AsyncFunctionDef
Arm = list[ast.stmt] | list[ast.expr]
Node = TypeVar("Node", bound=ast.AST)


class Span(msgspec.Struct, frozen=True, order=True):
    """Offsets into ``Source.text``."""

    start: int
    end: int

    def holds(self, offset: int) -> bool:
        """Whether a place is within."""
        return self.start <= offset < self.end


class Outline:
    """A parsed file, asked by offsets."""

    def __init__(self, text: bytes) -> None:
        """``text`` is a file that was indexed; one that does not parse has an empty outline."""
        self._around: dict[int, list[ast.AST]] = {}
        self._tests: dict[ast.AST, dict[str, list[ast.If | ast.IfExp]]] = {}
        self._kinds: dict[tuple[ast.AST, type[ast.AST]], list[ast.AST]] = {}
        self._names: dict[ast.AST, dict[str | None, list[ast.Name | ast.Attribute]]] = {}
        self._own: dict[Function, set[str]] = {}
        self._starts = list(accumulate(map(len, text.splitlines(keepends=True)), initial=0))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.tree = ast.parse(text.decode())
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            self.tree = ast.Module([], [])

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """All of the tree, outer nodes first."""
        return tuple(ast.walk(self.tree))

    def all_of(self, home: ast.AST, kind: type[Node]) -> list[Node]:
        """The nodes of a kind in a part of the file, outer ones first: looked for once, however many sites ask."""
        if (home, kind) not in self._kinds:
            self._kinds[home, kind] = [node for node in ast.walk(home) if isinstance(node, kind)]
        return self._kinds[home, kind]  # type: ignore[return-value]

    def named(self, home: ast.AST, name: str) -> list[ast.Name | ast.Attribute]:
        """Where a part of the file says a name, which may be dotted, outer nodes first."""
        if home not in self._names:
            found = self._names[home] = {}
            for node in ast.walk(home):
                if isinstance(node, ast.Name | ast.Attribute):
                    found.setdefault(dotted(node), []).append(node)
        return self._names[home].get(name, [])

    def is_of(self, home: ast.AST, name: str, node: ast.AST) -> bool:
        """Whether a name is ``home``'s at a node of it: no function in between has it as a variable of its own."""
        around = self.around(self.span(node).start)
        inner = around[around.index(home) + 1 :] if home in around else around
        return not any(isinstance(function, Function) and name in self.own(function) for function in inner)

    def own(self, function: Function) -> set[str]:
        """The variables and parameters of a function."""
        if function not in self._own:
            self._own[function] = own_names(function)
        return self._own[function]

    def span(self, node: ast.AST) -> Span:
        """Where a node stands, decorators excluded."""
        return Span(
            self._starts[node.lineno - 1] + node.col_offset,  # type: ignore[attr-defined]
            self._starts[node.end_lineno - 1] + node.end_col_offset,  # type: ignore[attr-defined]
        )

    def line(self, offset: int) -> int:
        """The line of an offset, from 1."""
        return bisect_right(self._starts, offset)

    def around(self, offset: int) -> list[ast.AST]:
        """The statements and handlers around a place, outermost first."""
        if offset not in self._around:
            self._around[offset] = self._statements_at(offset)
        return list(self._around[offset])

    def _statements_at(self, offset: int) -> list[ast.AST]:
        found: list[ast.AST] = []
        node: ast.AST | None = self.tree
        while node is not None:
            candidates = (inner for block in _parts(node) for inner in self._candidates(block, offset))
            node = next((inner for inner in candidates if self._covers(inner, offset)), None)
            if node is not None:
                found.append(node)
        return found

    def _candidates(self, block: Sequence[ast.AST], offset: int) -> Sequence[ast.AST]:
        """Of a block, the one statement that a place may be in."""
        index = bisect_right(block, offset, key=self._start)
        return block[index - 1 : index] if index else ()

    def function(self, offset: int) -> Function | None:
        """The outermost function around a place: a nested one is part of it."""
        return next((n for n in self.around(offset) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)), None)

    def innermost(self, offset: int) -> Function | None:
        """The innermost function around a place."""
        functions = [n for n in self.around(offset) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
        return functions[-1] if functions else None

    def home(self, name: str, offset: int) -> ast.AST:
        """Where a variable that is set at a place can be seen: the class of ``self.x``, else the function or module."""
        kind = ast.ClassDef if name.startswith("self.") else ast.FunctionDef | ast.AsyncFunctionDef
        return next((node for node in reversed(self.around(offset)) if isinstance(node, kind)), self.tree)

    def parent(self, offset: int) -> ast.AST:
        """What the innermost statement at a place is a part of."""
        return [self.tree, self.tree, *self.around(offset)][-2]

    def expressions(self, start: int, end: int) -> list[ast.expr]:
        """The expressions that hold all of a span, outermost first."""
        found: list[ast.expr] = []
        node: ast.AST | None = (self.around(start) or [self.tree])[-1]
        while node is not None:
            node = next((inner for inner in _operands(node) if self._holds(inner, start, end)), None)
            if isinstance(node, ast.expr):
                found.append(node)
        return found

    def joined(self, start: int, end: int) -> Iterator[ast.expr]:
        """What an ``and`` joins with the part of it that holds all of a span."""
        for node in self.expressions(start, end):
            if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
                yield from (value for value in node.values if not self._holds(value, start, end))

    def _holds(self, node: ast.AST, start: int, end: int) -> bool:
        if not hasattr(node, "lineno"):  # of what has no place of its own, some part has
            return any(self._holds(inner, start, end) for inner in _operands(node))
        span = self.span(node)
        return span.start <= start and end <= span.end

    def before(self, offset: int) -> Iterator[tuple[ast.AST, list[ast.stmt]]]:
        """The blocks around a place, innermost first: what each is a part of, and the statements above the place."""
        around: list[ast.AST] = [self.tree, *self.around(offset)]
        for outer, inner in zip(around[-2::-1], around[:0:-1], strict=True):
            for block in blocks_of(outer):
                if inner in block:
                    yield outer, block[: block.index(inner)]

    def blocks(self, offset: int) -> Iterator[list[ast.stmt]]:
        """The blocks around a place, within the outermost function, innermost first."""
        around = self.around(offset)
        inner = next((i for i, n in enumerate(around) if isinstance(n, Function)), len(around))
        for outer, statement in zip(around[inner:-1][::-1], around[inner + 1 :][::-1], strict=True):
            yield from (block for block in blocks_of(outer) if statement in block)

    def behind(self, offset: int) -> list[Span]:
        """What follows a place in the blocks around it, within the outermost function, innermost first."""
        blocks = ((self._candidates(block, offset)[0], block[-1]) for block in self.blocks(offset))
        return [Span(self.span(own).end, self.span(last).end) for own, last in blocks]

    def block(self, offset: int) -> list[ast.stmt]:
        """The block that the innermost statement at a place stands in; empty where none does."""
        above: list[ast.AST] = [self.tree, *self.around(offset)]
        return next((block for block in blocks_of(above[-2]) if above[-1] in block), []) if len(above) > 1 else []

    def shares_block(self, one: int, other: int) -> bool:
        """Whether the block that the statement at ``one`` stands in, or the ``try`` around it, holds ``other``."""
        tried = self.parent(one)
        block = self.block(self.span(tried).start if isinstance(tried, ast.Try) else one)
        return bool(block) and Span(self.span(block[0]).start, self.span(block[-1]).end).holds(other)

    def rest_of_block(self, offset: int) -> Span:
        """From a place to the end of the block that its statement stands in."""
        above: list[ast.AST] = [self.tree, *self.around(offset)]
        if len(above) == 1:
            return Span(offset, offset)
        blocks = [block for block in blocks_of(above[-2]) if above[-1] in block]
        return Span(offset, self.span(blocks[0][-1]).end if blocks else self.span(above[-1]).end)

    def _start(self, node: ast.AST) -> int:
        """Where a node starts, decorators included."""
        decorators = getattr(node, "decorator_list", None)
        return self.span(decorators[0]).start - 1 if decorators else self.span(node).start

    def _covers(self, node: ast.AST, offset: int) -> bool:
        return self._start(node) <= offset < self.span(node).end

    def arms(self, offset: int) -> Iterator[Arm]:
        """The code that runs only if the test at ``offset`` speaks for CUDA: of an ``if``, and behind an early exit."""
        statement = (self.around(offset) or [self.tree])[-1]
        decorators = getattr(statement, "decorator_list", ())
        if any(self.span(decorator).holds(offset) for decorator in decorators):
            yield statement.body  # type: ignore[attr-defined]
        yield from (opened for opened, _ in self.ways(offset))

    def ways(self, offset: int) -> Iterator[tuple[Arm, Arm]]:
        """What runs only if the test at ``offset`` speaks for CUDA, with what runs in its place; each may be empty."""
        above: list[ast.AST] = [self.tree, *self.around(offset)]
        if len(above) == 1:
            return
        statement = above[-1]
        if isinstance(statement, ast.If | ast.While) and self.span(statement.test).holds(offset):
            told = condition(statement.test, dotted)
            otherwise = statement.orelse
            if not otherwise and exits(statement.body):
                block = next(block for block in blocks_of(above[-2]) if statement in block)
                otherwise = block[block.index(statement) + 1 :]
            unclear = told.cuda == 0 and told.otherwise == 0
            if told.cuda > 0 or unclear:
                yield statement.body, otherwise
            if told.otherwise > 0 or (unclear and isinstance(statement.body[-1], ast.Raise)):
                yield otherwise, statement.body
        for node in self._down_to(statement, offset):
            if isinstance(node, ast.IfExp) and self.span(node.test).holds(offset):
                body, orelse = [node.body], [node.orelse]
                yield (orelse, body) if condition(node.test, dotted).otherwise > 0 else (body, orelse)

    def _down_to(self, node: ast.AST, offset: int) -> Iterator[ast.AST]:
        """The nodes within ``node`` that hold a place, and those that have none of their own, outer ones first."""
        pending = [node]
        while pending:
            node = pending.pop()
            yield node
            inner = ast.iter_child_nodes(node)
            pending += [child for child in inner if not hasattr(child, "lineno") or self._covers(child, offset)]

    def arms_of(self, flag: str, offset: int, denied: bool = False) -> Iterator[Arm]:
        """The code that runs only where the variable ``flag`` is true (false if ``denied``), in the function around."""
        for node in self._tests_in(self.function(offset) or self.tree).get(flag, ()):
            negated = isinstance(node.test, ast.UnaryOp) and isinstance(node.test.op, ast.Not)
            arm = node.orelse if negated is not denied else node.body
            if isinstance(node, ast.If) and not arm and exits(node.body):
                block = self.block(self.span(node).start)
                arm = block[block.index(node) + 1 :] if node in block else []
            yield arm if isinstance(arm, list) else [arm]

    def _tests_in(self, home: ast.AST) -> dict[str, list[ast.If | ast.IfExp]]:
        """The tests of a function or module, by the names in them."""
        if home not in self._tests:
            found = self._tests[home] = {}
            for node in ast.walk(home):
                if isinstance(node, ast.If | ast.IfExp):
                    names = (dotted(inner) for inner in ast.walk(node.test) if isinstance(inner, ast.expr))
                    for name in dict.fromkeys(name for name in names if name is not None):
                        found.setdefault(name, []).append(node)
        return self._tests[home]

    def constants(self, start: int, end: int) -> Iterator[ast.Constant]:
        """What the expression of a span may be: of a choice both, of a variable what its function gives it."""
        for node in self.expressions(start, end)[-1:]:
            for value in _either(node):
                given = self._given(value.id, start) if isinstance(value, ast.Name) else (value,)
                yield from (found for found in given if isinstance(found, ast.Constant))

    def _given(self, name: str, offset: int) -> Iterator[ast.expr]:
        """What a variable holds at a place: by its assignments there and, of a parameter, by default."""
        function = self.innermost(offset)
        for node in ast.walk(function or self.tree):
            match node:
                case ast.Assign(targets=[ast.Name(id=bound)], value=value) if bound == name:
                    yield from _either(value)
        if function is not None:
            places = [*function.args.posonlyargs, *function.args.args]
            by_position = zip(reversed(places), reversed(function.args.defaults), strict=False)
            by_name = zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
            yield from (value for place, value in (*by_position, *by_name) if place.arg == name and value is not None)

    def denies(self, start: int, end: int) -> bool:
        """Whether what is made of a test is true where the test fails: ``not x``, ``any(x != "cuda" for x in xs)``."""
        nodes = self.expressions(start, end)
        if any(isinstance(node, ast.IfExp) for node in nodes):
            return False  # it chooses a value
        return sum(map(_is_denial, nodes)) % 2 == 1


def in_scope(home: ast.AST, name: str) -> Iterator[ast.AST]:
    """All nodes of a scope, without functions to which ``name`` is a variable of their own."""
    pending = [home]
    while pending:
        node = pending.pop()
        yield node
        inner = [n for n in ast.iter_child_nodes(node) if not isinstance(n, Function) or name not in own_names(n)]
        pending += reversed(inner)


def own_names(function: Function) -> set[str]:
    """The variables and parameters of a function."""
    own = {argument.arg for argument in ast.walk(function.args) if isinstance(argument, ast.arg)}
    return own | {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def dotted(node: ast.expr) -> str | None:
    """``a.b.c`` as text; None where it is more than names."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(names)]) if isinstance(node, ast.Name) else None


def _either(node: ast.expr) -> Iterator[ast.expr]:
    """The values between which an expression chooses."""
    if isinstance(node, ast.IfExp):
        yield from (*_either(node.body), *_either(node.orelse))
    else:
        yield node


def _is_denial(node: ast.expr) -> bool:
    match node:
        case ast.UnaryOp(op=ast.Not()):
            return True
        case ast.Compare() if truth(node) is False:
            return True
        case ast.Compare(left=left, ops=[ast.NotEq() | ast.NotIn()], comparators=[right]):
            sides = [side.value for side in (left, right) if isinstance(side, ast.Constant)]
            return all(isinstance(value, str) for value in sides)  # `device_count() != 0` is none
    return False


def _operands(node: ast.AST) -> Iterator[ast.AST]:
    """What a statement's own line or an expression is made of; of a formatted text, what is put into it.

    Before Python 3.12 the words between that have the place of the whole text.
    """
    skipped = ast.Constant if isinstance(node, ast.JoinedStr) else ast.stmt | ast.excepthandler
    return (inner for inner in ast.iter_child_nodes(node) if not isinstance(inner, skipped))


def blocks_of(node: ast.AST) -> list[list[ast.stmt]]:
    """The blocks of a statement, or of a module."""
    fields = [getattr(node, name, None) for name in ("body", "orelse", "finalbody")]
    fields += [case.body for case in getattr(node, "cases", ())]  # a case has no place of its own
    return [field for field in fields if isinstance(field, list)]


def _parts(node: ast.AST) -> list[Sequence[ast.AST]]:
    """The blocks and the handlers of a statement."""
    return [*blocks_of(node), getattr(node, "handlers", [])]
