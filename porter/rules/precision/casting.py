"""Autocast in the place of Apex: around what computes the losses of a file, where and when Apex was on."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

from porter.index.nesting import Nesting
from porter.index.outline import Function, dotted
from porter.rules.base import Edits, TextEdit, named
from porter.rules.counterpart import Lost
from porter.rules.lines import wrapped
from porter.rules.precision.apex import INITIALIZE, SCALE, Use, Uses, is_plain, stored
from porter.rules.precision.forward import Run, binds, forward_passes, reads
from porter.rules.precision.to_numpy import handed
from porter.rules.spelling import device_type

_LEVELS = frozenset({"O0", "O1", "O2", "O3", "O4", "O5"})  # the last two: of ROCm
_LOOPS = (ast.For, ast.AsyncFor, ast.While)


class _Within(NamedTuple):
    """What stands in a block: in which statement each node, and in which a variable is first set."""

    places: dict[ast.AST, int]
    sets: dict[str | None, int]

    @classmethod
    def of(cls, block: list[ast.stmt]) -> _Within:
        """The nodes of a block."""
        places = {node: place for place, statement in enumerate(block) for node in ast.walk(statement)}
        last_first = reversed(list(enumerate(block)))
        return cls(places, {name: place for place, statement in last_first for name in stored([statement])})


class Casting:
    """The forward passes of a file, and the conditions of their autocast."""

    def __init__(self, uses: Uses) -> None:
        self._uses = uses
        self._ctx, self._outline, self._names = uses.ctx, uses.outline, uses.names
        self._scaled = Nesting(self._outline.span(use.statement) for use in uses.of(SCALE))
        self._blocks: dict[ast.stmt, _Within] = {}  # by their first statements

    # -- the forward pass ----------------------------------------------------------------------

    def edits(self) -> Iterator[tuple[Use, Edits]]:
        """For each backward pass the edits that run its forward pass in bfloat16."""
        initialized, scaled = self._uses.of(INITIALIZE), self._uses.of(SCALE)
        levels = [self._levels(use) for use in initialized]
        if any(level != levels[0] for level in levels):
            raise Lost(f"line {initialized[1].site.line} turns it on where line {initialized[0].site.line} does not")
        if levels[0] is None:
            return
        if not scaled:
            raise Lost("nothing shows where the loss is computed: enter `torch.autocast` around the forward pass")
        blocks: dict[int, tuple[list[ast.stmt], dict[int, set[str]], list[Use]]] = {}
        for use in scaled:
            block, place, losses = self._block(use)
            _, backward, uses = blocks.setdefault(id(block), (block, {}, []))
            backward.setdefault(place, set()).update(losses)
            uses.append(use)
        models: dict[ast.AST, set[str]] = {}
        for block, backward, uses in blocks.values():
            home = self._names.function(uses[0].site.start)
            here = [other for other in initialized if self._names.function(other.site.start) is home] or initialized
            header = self._header(uses, block, here, levels[0], home)
            if home not in models:
                models[home] = self._models(here, home)
            yield uses[0], self._runs(uses[0], block, backward, models[home], header)

    def _runs(
        self, use: Use, block: list[ast.stmt], backward: dict[int, set[str]], models: set[str], header: str
    ) -> Edits:
        def calls_model(node: ast.AST) -> bool:
            calls = (n for n in ast.walk(node) if isinstance(n, ast.Call))
            return any(self._names.passes_through(call, models, use.site.start) for call in calls)

        runs = forward_passes(block, backward, models, calls_model)
        if not runs:
            raise Lost(f"no model is called in front of line {use.site.line}: enter `torch.autocast` where it is")
        unit = self._unit(use)
        edits: list[TextEdit] = []
        for run in runs:
            self._check(block, run, use, set().union(*backward.values()))
            made = wrapped(*run, header, unit, self._ctx)
            if made is None:
                raise Lost(f"line {run[0].lineno} and what follows cannot be indented")
            edits += made
        return tuple(edits)

    def _check(self, block: list[ast.stmt], run: Run, use: Use, losses: set[str]) -> None:
        """Raises Lost where statements that compute a loss cannot run under autocast, or hand on what others lack."""
        spans = [self._outline.span(statement) for statement in run]
        if self._cell(spans[0].start) != self._cell(spans[1].end):
            raise Lost(f"what computes the loss of line {use.site.line} stands in several cells")
        inside = block[block.index(run[0]) : block.index(run[1]) + 1]
        outputs = {name for statement in inside for name in binds(statement)} - losses
        function = self._names.function(use.site.start)
        if shown := handed(outputs, function):
            raise Lost(shown)
        for node in (call for statement in inside for call in self._outline.all_of(statement, ast.Call)):
            if isinstance(node.func, ast.Attribute) and node.func.attr == "backward":
                raise Lost(f"line {node.lineno} has a backward pass, which does not belong under autocast")

    def _cell(self, offset: int) -> int | None:
        layout = self._ctx.source.layout
        cell = layout.cell_at(offset) if layout is not None else None
        return cell.index if cell is not None else None

    def _unit(self, use: Use) -> str:
        """By how much the file indents, as the block of ``scale_loss`` shows."""
        block = use.scaled()[0]
        outer, inner = (self._outline.span(n).start for n in (block, block.body[0]))
        above, below = (self._ctx.source.line_starts[self._outline.line(offset) - 1] for offset in (outer, inner))
        return self._ctx.text(below + outer - above, inner) if above != below else "    "

    def _block(self, use: Use) -> tuple[list[ast.stmt], int, set[str]]:
        """The block in which a loss is computed, the place of its backward pass there, and the variables it is made of.

        Raises Lost where the loss comes from elsewhere.
        """
        losses = reads(use.scaled()[1])
        around = [self._outline.tree, *use.around]
        for outer, inner in zip(around[-2::-1], around[:0:-1], strict=True):
            block = next((b for b in _blocks(outer) if inner in b), [])
            place = block.index(inner) if inner in block else 0
            if block and any(self._within(block).sets.get(loss, place) < place for loss in losses):
                return block, place, losses
            if isinstance(outer, (*_LOOPS, Function, ast.ClassDef)):
                break
        raise Lost(f"line {use.site.line} is given its loss: enter `torch.autocast` where that is computed")

    def _within(self, block: list[ast.stmt]) -> _Within:
        if block[0] not in self._blocks:
            self._blocks[block[0]] = _Within.of(block)
        return self._blocks[block[0]]

    def _models(self, initialized: list[Use], home: ast.AST) -> set[str]:
        """What the models are called in ``home``: as they were initialised, or wrapped behind that."""
        found: set[str | None] = set()
        for use in initialized:
            given = use.argument("models", 0)
            models = reads(given) if given is not None else set()
            match use.statement:
                case ast.Assign(targets=[ast.Tuple(elts=[first, *_])]):
                    models |= {ast.unparse(n) for n in ast.walk(first) if isinstance(n, ast.Name | ast.Attribute)}
            start = use.site.start
            found |= {self._names.seen_as(model, start, home) for model in self._names.wrapped(models, start)}
        return {name for name in found if name is not None}

    # -- when it is on -------------------------------------------------------------------------

    def _levels(self, use: Use) -> tuple[str, ...] | None:
        """The arguments of ``initialize`` that turn mixed precision on, as conditions; None where it is off."""
        level, enabled = use.argument("opt_level", 3), use.argument("enabled", 2)
        conditions: list[str] = []
        for given in (enabled, level):
            if given is None or (given is enabled and _is(given, True)):
                continue
            if isinstance(given, ast.Constant) and (given.value is False or given.value == "O0"):
                return None
            if isinstance(given, ast.Constant) and given.value in _LEVELS:
                continue
            condition = self._condition(given)
            conditions.append(condition if given is enabled else f'{condition} != "O0"')
        return tuple(conditions)

    def _condition(self, test: ast.expr, holds: bool = True) -> str:
        """A condition as the file writes it, or its denial. Raises Lost where it does more, or asks for the device."""
        if not holds and isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            return self._condition(test.operand)
        span = self._outline.span(test)
        if not is_plain(test):
            raise Lost(f"porter does not see whether line {test.lineno} turns it on")
        if any("cuda" in site.name for site in self._ctx.nesting.starting(span.start, span.end)):
            raise Lost(f"line {test.lineno}, which turns it on, asks for the device: port that first")
        text = " ".join(self._ctx.text(span.start, span.end).split())
        if holds:
            return text
        return f"not {text}" if isinstance(test, ast.Name | ast.Attribute | ast.Subscript) else f"not ({text})"

    def _switches(self, use: Use, block: list[ast.stmt], initialized: list[Use]) -> tuple[str, ...]:
        """The conditions on which a loss is scaled: else the backward pass is plain, or ``initialize`` has them, too.

        Raises Lost where ``initialize`` has conditions that the backward pass has not.
        """
        tests = self._tests(use)
        own = {key: line for first in initialized for key, line in self._own(first, use).items()}
        places, sets = self._within(block)
        found: list[str] = []
        for node, holds in tests:
            other = node.orelse if holds else node.body
            within = node in places
            if not (within and self._steps_plainly(other)) and (ast.unparse(node.test), holds) not in own:
                continue
            found.append(self._condition(node.test, holds))
            told = {dotted(n) or "" for n in ast.walk(node.test) if isinstance(n, ast.Name | ast.Attribute)}
            if within and any(sets.get(name, places[node]) < places[node] for name in told):
                raise Lost(f"line {node.lineno} depends on what the loop computes")
        lacking = own.keys() - {(ast.unparse(node.test), holds) for node, holds in tests}
        if lacking and not found:
            text, _ = min(lacking)
            raise Lost(f"line {own[min(lacking)]} asks `{text}`, and line {use.site.line} scales in any case")
        return tuple(dict.fromkeys(found))

    def _own(self, first: Use, use: Use) -> dict[tuple[str, bool], int]:
        """The tests that ``initialize`` stands under, and a backward pass does not: text, answer and line."""
        shared = {(id(node), holds) for node, holds in self._tests(use)}
        mine = ((node, holds) for node, holds in self._tests(first) if (id(node), holds) not in shared)
        return {(ast.unparse(node.test), holds): node.lineno for node, holds in mine}

    def _tests(self, use: Use) -> list[tuple[ast.If, bool]]:
        """The branches that a use stands in, outermost first, and whether it is where their tests hold."""
        start = use.site.start
        around = (node for node in use.around if isinstance(node, ast.If))
        return [(node, start < self._outline.span(node.body[-1]).end) for node in around]

    def _steps_plainly(self, block: list[ast.stmt]) -> bool:
        """Whether statements have a backward pass that Apex has no part in."""
        calls = (n for s in block for n in ast.walk(s) if isinstance(n, ast.Call))
        passes = (n for n in calls if isinstance(n.func, ast.Attribute) and n.func.attr == "backward")
        return any(next(self._scaled.around(self._outline.span(call)), None) is None for call in passes)

    def _header(
        self, uses: list[Use], block: list[ast.stmt], initialized: list[Use], levels: tuple[str, ...], home: ast.AST
    ) -> str:
        """``with torch.autocast(...):``; what turns it on has to mean the same there. Raises Lost."""
        use = uses[0]
        switches = [self._switches(other, block, initialized) for other in uses]
        if any(others != switches[0] for others in switches):
            raise Lost(f"line {uses[1].site.line} scales where line {use.site.line} does not")
        for condition, first in product(levels, initialized):
            if not self._names.holds(condition, first.site.start, home):
                raise Lost(f"`{condition}` of line {first.site.line} may be something else in line {use.site.line}")
        given = [device_type(use.site, self._ctx), f"dtype={named('torch.bfloat16')}"]
        if conditions := dict.fromkeys((*switches[0], *levels)):
            given.append(f"enabled={' and '.join(map(self._truth, conditions))}")
        return f"with {named('torch.autocast')}({', '.join(given)}):"

    def _truth(self, condition: str) -> str:
        """A condition as the bool that autocast insists on."""
        node = ast.parse(condition, mode="eval").body
        is_bool = isinstance(node, ast.Compare) or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not))
        if is_bool or self._names.is_bool(condition):
            return condition
        return f"bool({condition})"


def _is(node: ast.expr, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        block = getattr(node, name, None)
        if isinstance(block, list):
            yield block
