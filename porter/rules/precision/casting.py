"""Autocast in the place of Apex: around what computes the losses of a file, where and when Apex was on."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import product

from porter.index.outline import Function
from porter.rules.base import Edits, TextEdit, named
from porter.rules.counterpart import Lost
from porter.rules.lines import wrapped
from porter.rules.precision.apex import INITIALIZE, SCALE, Use, Uses, is_plain, stores
from porter.rules.precision.forward import Run, binds, forward_passes, reads
from porter.rules.spelling import device_type

_LEVELS = frozenset({"O0", "O1", "O2", "O3", "O4", "O5"})  # the last two: of ROCm
_LOOPS = (ast.For, ast.AsyncFor, ast.While)


class Casting:
    """The forward passes of a file, and the conditions of their autocast."""

    def __init__(self, uses: Uses) -> None:
        self._uses = uses
        self._ctx, self._outline, self._names = uses.ctx, uses.outline, uses.names

    # -- the forward pass ----------------------------------------------------------------------

    def edits(self) -> Iterator[tuple[Use, Edits]]:
        """For each backward pass the edits that run its forward pass in bfloat16."""
        initialized, scaled = self._uses.of(INITIALIZE), self._uses.of(SCALE)
        conditions = [self._conditions(use, scaled) for use in initialized]
        if None in conditions:
            if any(condition is not None for condition in conditions):
                raise Lost("it is on for one model, and off for another")
            return
        first = initialized[0]
        if any(condition != conditions[0] for condition in conditions):
            raise Lost(f"line {initialized[1].site.line} turns it on where line {first.site.line} does not")
        if not scaled:
            raise Lost("nothing shows where the loss is computed: enter `torch.autocast` around the forward pass")
        blocks: dict[int, tuple[list[ast.stmt], dict[int, set[str]], Use]] = {}
        for use in scaled:
            block, place, losses = self._block(use)
            blocks.setdefault(id(block), (block, {}, use))[1].setdefault(place, set()).update(losses)
        for block, backward, use in blocks.values():
            home = self._names.function(use.site.start)
            here = [other for other in initialized if self._names.function(other.site.start) is home] or initialized
            header = self._header(use, conditions[0] or (), here, home)
            yield use, self._runs(use, block, backward, self._models(here, home), header)

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
        for node in (n for n in ast.walk(self._names.function(use.site.start)) if isinstance(n, ast.Call)):
            method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            if method == "backward" and spans[0].start <= self._outline.span(node).start < spans[1].end:
                raise Lost(f"line {node.lineno} has a backward pass, which does not belong under autocast")
            if method == "numpy" and (shown := reads(node.func) & outputs):
                raise Lost(f"line {node.lineno} hands `{min(shown)}` to NumPy, which has no bfloat16: `.float()` first")

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
            if any(stores([statement], loss) for statement in block[:place] for loss in losses):
                return block, place, losses
            if isinstance(outer, (*_LOOPS, Function, ast.ClassDef)):
                break
        raise Lost(f"line {use.site.line} is given its loss: enter `torch.autocast` where that is computed")

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

    def _conditions(self, use: Use, scaled: list[Use]) -> tuple[str, ...] | None:
        """Under which conditions a model is in mixed precision; None where it never is. Raises Lost."""
        level, enabled = use.argument("opt_level", 3), use.argument("enabled", 2)
        conditions = [self._condition(test) for test in self._switches(use, scaled)]
        for given in (enabled, level):
            if given is None or (given is enabled and _is(given, True)):
                continue
            if isinstance(given, ast.Constant) and (given.value is False or given.value == "O0"):
                return None
            if isinstance(given, ast.Constant) and given.value in _LEVELS:
                continue
            if not is_plain(given):
                raise Lost(f"porter does not see whether line {use.site.line} turns it on")
            condition = self._condition(given)
            conditions.append(condition if given is enabled else f'{condition} != "O0"')
        return tuple(conditions)

    def _condition(self, test: ast.expr) -> str:
        """A condition as the file writes it. Raises Lost where it has to be ported itself."""
        span = self._outline.span(test)
        if any(span.holds(site.start) for site in self._ctx.sites):
            raise Lost(f"line {test.lineno}, which turns it on, asks for the device: port that first")
        return " ".join(self._ctx.text(span.start, span.end).split())

    def _switches(self, use: Use, scaled: list[Use]) -> list[ast.expr]:
        """The tests that ``initialize`` alone stands under; each backward pass has to stand under the same."""
        tests = [test for node in use.around if (test := self._arm(node, use)) is not None]
        own = [test for test in tests if not all(any(test is self._arm(n, s) for n in s.around) for s in scaled)]
        for test in own:
            text = ast.unparse(test)
            if len(own) > 1 or not is_plain(test):
                raise Lost(f"porter does not see when line {use.site.line} runs")
            for other in scaled:
                arms = [arm for node in other.around if (arm := self._arm(node, other)) is not None]
                if text not in map(ast.unparse, arms):
                    raise Lost(f"line {use.site.line} runs only where `{text}` holds, line {other.site.line} always")
        return own

    def _arm(self, node: ast.AST, use: Use) -> ast.expr | None:
        """The test of an ``if``, where a use stands in its first arm."""
        if not isinstance(node, ast.If) or use.site.start < self._outline.span(node.test).end:
            return None
        return node.test if use.site.start < self._outline.span(node.body[-1]).end else None

    def _header(self, use: Use, conditions: tuple[str, ...], initialized: list[Use], home: ast.AST) -> str:
        """``with torch.autocast(...):``; what turns it on has to mean the same there. Raises Lost."""
        for condition, first in product(conditions, initialized):
            if not self._names.holds(condition, first.site.start, home):
                raise Lost(f"`{condition}` of line {first.site.line} may be something else in line {use.site.line}")
        given = [device_type(use.site, self._ctx), f"dtype={named('torch.bfloat16')}"]
        if conditions:
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
