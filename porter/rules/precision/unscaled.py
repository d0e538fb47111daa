"""Apex's initialisation, loss scaling and checkpoints taken out of a file: what its uses come to without it."""

from __future__ import annotations

import ast
import copy
import re
from functools import cached_property

from porter.index.outline import dotted
from porter.rules.base import Edits, TextEdit
from porter.rules.counterpart import Lost
from porter.rules.lines import bared
from porter.rules.precision import apex
from porter.rules.precision.apex import Use, Uses, is_plain, stored

_OF_AN_OPTIMIZER = "\ue000"  # no name of a program
_CAST = ("addmm", "baddbmm", "bmm", "conv1d", "conv2d", "einsum", "matmul", "mm")
_MASTER = '(p for group in {}.param_groups for p in group["params"])'


class Unscaled:
    """The edits of a file's uses, one by one."""

    def __init__(self, uses: Uses) -> None:
        self._uses = uses
        self._ctx, self._outline = uses.ctx, uses.outline
        self._places = {(use.node.lineno, use.node.col_offset): use.name for use in uses.all}

    def edits(self, use: Use) -> Edits:
        """What takes the place of a use. Raises Lost."""
        if use.name == apex.INITIALIZE:
            return self._initialize(use)
        if use.name == apex.SCALE:
            return tuple(self._backward(use))
        alone = isinstance(use.statement, ast.Expr) and use.statement.value is use.node
        if alone and (use.name == apex.LOAD or (use.name == apex.HALF and _is_cast(use.node))):
            return self._deleted(use)
        if use.name == apex.SAVE and not use.node.args:
            return (TextEdit(use.call.start, use.call.end, "{}"),)
        if use.name == apex.PARAMETERS and len(use.call.arguments) == 1:
            return self._merged(use) or self._parameters(use)
        raise Lost(f"nothing takes the place of `{use.site.name}` in line {use.site.line}")

    def _initialize(self, use: Use) -> Edits:
        """``model, optimizer = amp.initialize(model, optimizer)`` goes; under new names it is an assignment."""
        statement, given = use.statement, [use.argument(name, i) for i, name in enumerate(("models", "optimizers"))]
        taken = [ast.unparse(node) for node in given if node is not None]
        match statement:
            case ast.Assign(targets=[ast.Tuple(elts=targets)], value=value) if value is use.node:
                pass
            case ast.Assign(targets=[target], value=value) if value is use.node:
                targets = [target]
            case _:
                raise Lost(f"line {use.site.line} does not assign what `amp.initialize` returns")
        if use.call.unpacked or not taken or len(taken) != len(targets):
            raise Lost(f"porter does not see what `amp.initialize` in line {use.site.line} is given")
        if [ast.unparse(target) for target in targets] == taken:
            return self._deleted(use)
        return (TextEdit(use.call.start, use.call.end, ", ".join(taken)),)

    def _deleted(self, use: Use) -> Edits:
        from porter.rewrite.calls import delete_statement

        span = self._outline.span(use.statement)
        block = self._outline.block(span.start)
        gone = delete_statement(self._ctx.source.text, span.start, span.end, len(block))
        if gone is None:
            raise Lost(f"line {use.site.line} has a comment, or another statement beside it")
        return (gone,)

    def _parameters(self, use: Use) -> Edits:
        """The parameters of an optimizer, as Apex goes through them."""
        optimizer = use.node.args[0] if use.node.args else use.node.keywords[0].value
        if not isinstance(optimizer, ast.Name | ast.Attribute | ast.Subscript | ast.Call):
            raise Lost(f"porter does not see whose parameters line {use.site.line} is about")
        text = _MASTER.format(ast.unparse(optimizer))
        around = self._outline.expressions(use.call.start, use.call.end)[:-1]
        alone = bool(around) and isinstance(around[-1], ast.Call) and len(around[-1].args) == 1
        alone = alone and not around[-1].keywords  # type: ignore[attr-defined]
        return (TextEdit(use.call.start, use.call.end, text[1:-1] if alone else text),)

    # -- the backward pass ---------------------------------------------------------------------

    def _backward(self, use: Use) -> list[TextEdit]:
        """``with amp.scale_loss(loss, optimizer) as scaled: scaled.backward()`` is ``loss.backward()``."""
        if (merged := self._merged(use)) is not None:
            return list(merged)
        block, loss, scaled = use.scaled()
        start = self._outline.span(block).start
        edits = bared(start, block.body, self._ctx)
        if edits is None:
            raise Lost(f"the block of line {use.site.line} cannot move: it has comments, or texts over several lines")
        if isinstance(loss, ast.Name | ast.Attribute) and not self._needs_name(scaled, loss):
            nodes = (n for s in block.body for n in ast.walk(s) if isinstance(n, ast.Name) and n.id == scaled)
            return [*edits, *(TextEdit(s.start, s.end, ast.unparse(loss)) for s in map(self._outline.span, nodes))]
        before = self._ctx.text(self._ctx.source.line_starts[self._outline.line(start) - 1], start)
        if before.strip():
            raise Lost(f"line {use.site.line} shares its line with others")
        opening = f"{scaled} = {ast.unparse(loss)}{self._ctx.source.newline}{before}"
        return [TextEdit(edits[0].start, edits[0].end, opening), *edits[1:]]

    def _needs_name(self, scaled: str, loss: ast.expr) -> bool:
        """Whether the scaled loss is more than another name for the loss: used behind its block, or set anew in it."""
        if ast.unparse(loss) == scaled:
            return False
        changed, is_used = self._names[scaled]
        return is_used or not changed.isdisjoint((scaled, ast.unparse(loss)))

    @cached_property
    def _names(self) -> dict[str, tuple[set[str | None], bool]]:
        """By each name of a scaled loss what its blocks set, and whether it is used behind them. Raises Lost."""
        bodies: dict[str, list[ast.stmt]] = {}
        for block, _, name in (use.scaled() for use in self._uses.of(apex.SCALE)):
            bodies.setdefault(name, []).extend(block.body)
        found = {}
        for name, body in bodies.items():
            inside = {node for statement in body for node in ast.walk(statement)}
            named = self._outline.named(self._outline.tree, name)
            used = any(isinstance(node.ctx, ast.Load) and node not in inside for node in named)
            found[name] = stored(body), used
        return found

    def _merged(self, use: Use) -> Edits | None:
        """Of a switch whose arms come to the same without Apex, the one that does without; None where it is none."""
        choice = next((n for n in reversed(use.around) if isinstance(n, ast.If)), None)
        if choice is None or not choice.orelse or not is_plain(choice.test):
            return None
        span = self._outline.span(choice)
        if self._ctx.source.text.startswith(b"elif", span.start):
            return None
        parts = re.split(_OF_AN_OPTIMIZER, "\n".join(map(ast.unparse, self._ported(choice.body))))
        alike = r"[\w.]+\.parameters\(\)".join(map(re.escape, parts))
        if not re.fullmatch(alike, "\n".join(map(ast.unparse, choice.orelse))):
            return None
        edits = bared(span.start, choice.orelse, self._ctx)
        return tuple(edits) if edits is not None else None

    def _ported(self, block: list[ast.stmt]) -> list[ast.stmt]:
        """A copy of statements without Apex, in which its parameters of an optimizer have a name of their own."""
        return [new for statement in block for new in _Ported(self._places).one(copy.deepcopy(statement))]


def _is_cast(call: ast.Call) -> bool:
    """Whether a function that is to run in float16 is one of torch's that autocast casts by itself."""
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    return [dotted(node) or getattr(node, "value", None) for node in given] in [["torch", name] for name in _CAST]


class _Ported(ast.NodeTransformer):
    """What statements come to without Apex."""

    def __init__(self, places: dict[tuple[int, int], str]) -> None:
        self._places = places
        self._names: dict[str, ast.expr] = {}

    def one(self, statement: ast.stmt) -> list[ast.stmt]:
        """What takes the place of one statement."""
        new = self.visit(statement)
        return new if isinstance(new, list) else [new] if new is not None else []

    def _use(self, node: ast.expr) -> str | None:
        return self._places.get((node.lineno, node.col_offset)) if isinstance(node, ast.Call) else None

    def visit_With(self, node: ast.With) -> ast.AST | list[ast.stmt]:
        match node.items:
            case [ast.withitem(context_expr=ast.Call(args=[loss, *_]) as call, optional_vars=ast.Name(id=scaled))]:
                if self._use(call) == apex.SCALE:
                    self._names[scaled] = loss
                    return [new for statement in node.body for new in self.one(statement)]
        return self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        return None if all(f"{node.module}.{alias.name}" == apex.PACKAGE for alias in node.names) else node

    def visit_Try(self, node: ast.Try) -> ast.AST | None:
        new = self.generic_visit(node)
        return new if node.body else None

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._names.get(node.id, node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        is_ours = self._use(node) == apex.PARAMETERS
        return ast.Name(_OF_AN_OPTIMIZER, ast.Load()) if is_ours else self.generic_visit(node)
