"""Apex's mixed precision taken out of a file: every use of it, and autocast where the losses are computed."""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator

import msgspec

from porter.catalog.schema import Row
from porter.index.outline import Function, dotted
from porter.index.site import Argument, Call, Site
from porter.rules.base import Context, Edits, Judgement, TextEdit, named
from porter.rules.counterpart import Lost
from porter.rules.lines import bared, wrapped
from porter.rules.policy import by_hand as hold
from porter.rules.precision.forward import forward_passes, reads
from porter.rules.precision.seen import Names
from porter.rules.spelling import device_type
from porter.rules.uses import may_be_missing

PACKAGE = "apex.amp"
_INITIALIZE, _SCALE, _PARAMETERS = f"{PACKAGE}.initialize", f"{PACKAGE}.scale_loss", f"{PACKAGE}.master_params"
_SAVE, _LOAD = f"{PACKAGE}.state_dict", f"{PACKAGE}.load_state_dict"
_LEVELS = frozenset({"O0", "O1", "O2", "O3"})
_PLAIN = (ast.Name, ast.Attribute, ast.Constant, ast.Compare, ast.UnaryOp, ast.expr_context, ast.cmpop, ast.unaryop)
_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_OF_AN_OPTIMIZER = "\ue000"  # no name of a program
_MASTER = '(p for group in {}.param_groups for p in group["params"])'


class Use(msgspec.Struct, frozen=True):
    """A call of one of Apex's functions, with what it stands in: statements, outermost first."""

    name: str
    site: Site
    call: Call
    node: ast.Call
    around: list[ast.AST]

    @property
    def statement(self) -> ast.AST:
        """The innermost statement around it."""
        return self.around[-1]


def uses_of_amp(ctx: Context) -> Iterator[tuple[Site, Row]]:
    """The sites of a file that use Apex's mixed precision, its imports aside."""
    for site in ctx.sites:
        row = ctx.catalogue.find(site.kind, site.name) if site.name.startswith(PACKAGE) else None
        if row is not None and row.rule == "apex-amp" and site.role != "import":
            yield site, row


def all_or_none(results: list[Judgement], ctx: Context) -> list[Judgement]:
    """Take back the edits of a file's uses where one of them stays, be it by a comment that silences it."""
    edited = {r.site.start for r in results if r.group == PACKAGE and r.edited}
    stays = next((site for site, _ in uses_of_amp(ctx) if site.start not in edited), None) if edited else None
    if stays is None:
        return results
    why = f"line {stays.line} belongs to it, and stays: change them together"
    return [hold(r, why) if r.group == PACKAGE and r.edited else r for r in results]


def without_apex(ctx: Context) -> dict[int, Edits]:
    """The edits of a file's uses of Apex's mixed precision, by the start of their sites.

    Raises Lost where one of them cannot be edited: half of it would be worse than none.
    """
    return _File(ctx).edits()


class _File:
    """The uses of one file."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._outline = ctx.outline()
        calls = {self._outline.span(node): node for node in self._outline.nodes if isinstance(node, ast.Call)}
        by_place = {(span.start, span.end): node for span, node in calls.items()}
        self._uses: list[Use] = []
        for site, row in uses_of_amp(ctx):
            if may_be_missing(site, ctx):
                raise Lost("its import may fail: porter does not see whether this still runs then")
            node = by_place.get((site.call.start, site.call.end)) if site.call is not None else None
            if site.call is None or node is None or row.name == PACKAGE or not site.certain:
                raise Lost(f"nothing takes the place of `{site.name}` in line {site.line}")
            self._uses.append(Use(row.name, site, site.call, node, self._outline.around(site.start)))
        self._names = Names(self._outline, ctx.source.text)

    def edits(self) -> dict[int, Edits]:
        """See `without_apex`."""
        initialized = self._named(_INITIALIZE)
        if not initialized:
            raise Lost("`amp.initialize` is called in another file: port both together")
        if (other := _elsewhere(self._ctx)) is not None:
            raise Lost(f"`{other}`, which this file imports, uses it as well: port both together")
        found = {use.site.start: self._initialize(use) for use in initialized}
        found |= {use.site.start: self._plain(use) for use in self._uses if use.name != _INITIALIZE}
        for use, edits in self._autocast(initialized):
            found[use.site.start] += edits
        return {start: tuple(sorted(edits)) for start, edits in found.items()}

    def _named(self, name: str) -> list[Use]:
        return [use for use in self._uses if use.name == name]

    # -- what goes -----------------------------------------------------------------------------

    def _initialize(self, use: Use) -> Edits:
        """``model, optimizer = amp.initialize(model, optimizer)`` goes; under new names it is an assignment."""
        statement, given = use.statement, [_argument(use, name, i) for i, name in enumerate(("models", "optimizers"))]
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

    def _plain(self, use: Use) -> Edits:
        """What takes the place of any other use."""
        if use.name == _SCALE:
            return tuple(self._backward(use))
        if use.name == _LOAD and isinstance(use.statement, ast.Expr) and use.statement.value is use.node:
            return self._deleted(use)
        if use.name == _SAVE and not use.node.args:
            return (TextEdit(use.call.start, use.call.end, "{}"),)
        if use.name == _PARAMETERS and len(use.call.arguments) == 1:
            return self._merged(use) or self._parameters(use)
        raise Lost(f"nothing takes the place of `{use.site.name}` in line {use.site.line}")

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
        block, loss, scaled = _scaled(use)
        start = self._outline.span(block).start
        edits = bared(start, block.body, self._ctx)
        if edits is None:
            raise Lost(f"the block of line {use.site.line} cannot move: it has comments, or texts over several lines")
        inside = {id(n) for statement in block.body for n in ast.walk(statement)}
        named_so = [n for n in self._outline.nodes if isinstance(n, ast.Name) and n.id == scaled]
        mine = [n for n in named_so if id(n) in inside]
        home = self._names.function(start)
        bound = sum(isinstance(n.ctx, ast.Store) for n in named_so if self._within(n, home))
        read = sum(isinstance(n.ctx, ast.Load) and id(n) not in inside for n in named_so if self._within(n, home))
        fixed = isinstance(loss, ast.Name | ast.Attribute) and not _stores(block.body, ast.unparse(loss))
        if fixed and not (read and bound < 2) and all(isinstance(n.ctx, ast.Load) for n in mine):
            spans = map(self._outline.span, mine)
            return [*edits, *(TextEdit(s.start, s.end, ast.unparse(loss)) for s in spans)]
        column = self._ctx.text(self._ctx.source.line_starts[self._outline.line(start) - 1], start)
        if column.strip():
            raise Lost(f"line {use.site.line} shares its line with others")
        opening = f"{scaled} = {ast.unparse(loss)}{self._ctx.source.newline}{column}"
        return [TextEdit(edits[0].start, edits[0].end, opening), *edits[1:]]

    def _within(self, node: ast.AST, home: ast.AST) -> bool:
        return home is self._outline.tree or self._outline.span(home).holds(self._outline.span(node).start)

    def _merged(self, use: Use) -> Edits | None:
        """Of a switch whose arms come to the same without Apex, the one that does without; None where it is none."""
        choice = next((n for n in reversed(use.around) if isinstance(n, ast.If)), None)
        if choice is None or not choice.orelse or not all(isinstance(n, _PLAIN) for n in ast.walk(choice.test)):
            return None
        span = self._outline.span(choice)
        elsewhere = self._ctx.source.text.startswith(b"elif", span.start)
        if elsewhere or not self._outline.span(choice.body[0]).start <= use.site.start:
            return None
        parts = re.split(_OF_AN_OPTIMIZER, "\n".join(map(ast.unparse, self._ported(choice.body))))
        alike = r"[\w.]+\.parameters\(\)".join(map(re.escape, parts))
        if not re.fullmatch(alike, "\n".join(map(ast.unparse, choice.orelse))):
            return None
        edits = bared(span.start, choice.orelse, self._ctx)
        return tuple(edits) if edits is not None else None

    def _ported(self, block: list[ast.stmt]) -> list[ast.stmt]:
        """A copy of statements without Apex, in which its parameters of an optimizer have a name of their own."""
        places = {(use.node.lineno, use.node.col_offset): use.name for use in self._uses}
        return [new for statement in block for new in _Ported(places).one(copy.deepcopy(statement))]

    # -- the forward pass ----------------------------------------------------------------------

    def _autocast(self, initialized: list[Use]) -> Iterator[tuple[Use, Edits]]:
        """For each backward pass the edits that run its forward pass in bfloat16."""
        scaled = self._named(_SCALE)
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
        models = {text for use in initialized for text in self._models(use)}
        blocks: dict[int, tuple[list[ast.stmt], dict[int, set[str]], Use]] = {}
        for use in scaled:
            block, place, losses = self._block(use)
            blocks.setdefault(id(block), (block, {}, use))[1].setdefault(place, set()).update(losses)
        for block, backward, use in blocks.values():
            home = self._names.function(use.site.start)
            header = self._header(use, conditions[0] or (), first, home)
            yield use, self._runs(use, block, backward, self._seen(models, first, home), header)

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
            start, end = self._outline.span(run[0]).start, self._outline.span(run[1]).end
            if self._cell(start) != self._cell(end):
                raise Lost(f"what computes the loss of line {use.site.line} stands in several cells")
            made = wrapped(*run, header, unit, self._ctx)
            if made is None:
                raise Lost(f"line {run[0].lineno} and what follows cannot be indented")
            edits += made
        return tuple(edits)

    def _cell(self, offset: int) -> int | None:
        layout = self._ctx.source.layout
        cell = layout.cell_at(offset) if layout is not None else None
        return cell.index if cell is not None else None

    def _unit(self, use: Use) -> str:
        """By how much the file indents, as the block of ``scale_loss`` shows."""
        block = _scaled(use)[0]
        outer, inner = (self._outline.span(n).start for n in (block, block.body[0]))
        starts, lines = self._ctx.source.line_starts, (self._outline.line(outer), self._outline.line(inner))
        if lines[0] == lines[1]:
            return "    "
        return self._ctx.text(starts[lines[1] - 1] + outer - starts[lines[0] - 1], inner)

    def _block(self, use: Use) -> tuple[list[ast.stmt], int, set[str]]:
        """The block in which a loss is computed, the place of its backward pass there, and the variables it is made of.

        Raises Lost where the loss comes from elsewhere.
        """
        losses = reads(_scaled(use)[1])
        around = [self._outline.tree, *use.around]
        for outer, inner in zip(around[-2::-1], around[:0:-1], strict=True):
            block = next((b for b in _blocks(outer) if inner in b), [])
            place = block.index(inner) if inner in block else 0
            if any(_stores([statement], loss) for statement in block[:place] for loss in losses):
                return block, place, losses
            if isinstance(outer, (*_LOOPS, Function, ast.ClassDef)):
                break
        raise Lost(f"line {use.site.line} is given its loss: enter `torch.autocast` where that is computed")

    def _models(self, use: Use) -> set[str]:
        """What the models are called where they are initialised, and wrapped later on."""
        given = _argument(use, "models", 0)
        models = reads(given) if given is not None else set()
        match use.statement:
            case ast.Assign(targets=[ast.Tuple(elts=[first, *_])]):
                models |= {ast.unparse(n) for n in ast.walk(first) if isinstance(n, ast.Name | ast.Attribute)}
        return self._names.wrapped(models, use.site.start)

    def _seen(self, models: set[str], use: Use, home: ast.AST) -> set[str]:
        found = {self._names.seen_as(model, use.site.start, home) for model in models}
        return {name for name in found if name is not None}

    # -- when it is on -------------------------------------------------------------------------

    def _conditions(self, use: Use, scaled: list[Use]) -> tuple[str, ...] | None:
        """Under which conditions a model is in mixed precision; None where it never is. Raises Lost."""
        level, enabled = _argument(use, "opt_level", 3), _argument(use, "enabled", 2)
        conditions = [self._condition(test) for test in self._switches(use, scaled)]
        for given in (enabled, level):
            if given is None or (given is enabled and _is(given, True)):
                continue
            if isinstance(given, ast.Constant) and (given.value is False or given.value == "O0"):
                return None
            if isinstance(given, ast.Constant) and given.value in _LEVELS:
                continue
            if not all(isinstance(node, _PLAIN) for node in ast.walk(given)):
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
            if len(own) > 1 or not all(isinstance(node, _PLAIN) for node in ast.walk(test)):
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

    def _header(self, use: Use, conditions: tuple[str, ...], first: Use, home: ast.AST) -> str:
        """``with torch.autocast(...):``; what turns it on has to mean the same there. Raises Lost."""
        for condition in conditions:
            if not self._names.holds(condition, first.site.start, home):
                raise Lost(f"`{condition}` of line {first.site.line} may be something else in line {use.site.line}")
        given = [device_type(use.site, self._ctx), f"dtype={named('torch.bfloat16')}"]
        if conditions:
            several = len(conditions) > 1
            given.append("enabled=" + " and ".join(self._truth(c, alone=not several) for c in conditions))
        return f"with {named('torch.autocast')}({', '.join(given)}):"

    def _truth(self, condition: str, *, alone: bool) -> str:
        """A condition as the bool that autocast insists on."""
        node = ast.parse(condition, mode="eval").body
        is_bool = isinstance(node, ast.Compare) or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not))
        if is_bool or self._names.is_bool(condition):
            return condition
        return f"bool({condition})"


def _elsewhere(ctx: Context) -> str | None:
    """A module of the repository that the file imports, and that uses Apex's mixed precision itself."""
    own = ctx.project.summary(ctx.module)
    brought = (*own.exports.values(), *own.required) if own is not None else ()
    for name in dict.fromkeys(brought):
        parts = ctx.project.resolve(name, ctx.module).split(".")
        for cut in range(len(parts), 0, -1):
            module = ".".join(parts[:cut])
            if module != ctx.module and ctx.project.has(module):
                summary = ctx.project.summary(module)
                exports = summary.exports.values() if summary is not None else ()
                if any(f"{target}.".startswith(f"{PACKAGE}.") for target in exports):
                    return module
                break
    return None


def _argument(use: Use, name: str, position: int) -> ast.expr | None:
    """An argument by its name or place."""
    given: Argument | None = use.call.get(name, position)
    if given is None:
        return None
    keywords = {keyword.arg: keyword.value for keyword in use.node.keywords}
    return keywords.get(name) or use.node.args[position]


def _is(node: ast.expr, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _scaled(use: Use) -> tuple[ast.With, ast.expr, str]:
    """The block of a ``scale_loss``, the loss, and what it is called there. Raises Lost where it is no such block."""
    match use.statement, use.node:
        case ast.With(items=[ast.withitem(optional_vars=ast.Name(id=scaled))]) as block, ast.Call(args=[loss, *_]):
            if block.items[0].context_expr is use.node:
                return block, loss, scaled
    raise Lost(f"line {use.site.line} is not `with amp.scale_loss(loss, optimizer) as scaled_loss:`")


def _stores(block: list[ast.stmt], text: str) -> bool:
    """Whether statements give a variable a value."""
    nodes = (n for statement in block for n in ast.walk(statement) if isinstance(n, ast.Name | ast.Attribute))
    return any(isinstance(n.ctx, ast.Store) and dotted(n) == text for n in nodes)


def _blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        block = getattr(node, name, None)
        if isinstance(block, list):
            yield block


class _Ported(ast.NodeTransformer):
    """What statements come to without Apex."""

    def __init__(self, places: dict[tuple[int, int], str]) -> None:
        self._places = places
        self._names: dict[str, ast.expr] = {}

    def one(self, statement: ast.stmt) -> list[ast.stmt]:
        """What takes the place of one statement."""
        new = self.visit(statement)
        return new if isinstance(new, list) else [new]

    def _use(self, node: ast.expr) -> str | None:
        return self._places.get((node.lineno, node.col_offset)) if isinstance(node, ast.Call) else None

    def visit_With(self, node: ast.With) -> ast.AST | list[ast.stmt]:
        match node.items:
            case [ast.withitem(context_expr=ast.Call(args=[loss, *_]) as call, optional_vars=ast.Name(id=scaled))]:
                if self._use(call) == _SCALE:
                    self._names[scaled] = loss
                    return [new for statement in node.body for new in self.one(statement)]
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._names.get(node.id, node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        return ast.Name(_OF_AN_OPTIMIZER, ast.Load()) if self._use(node) == _PARAMETERS else self.generic_visit(node)
