"""The uses of Apex's mixed precision in a file: they are taken out together, or not at all."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import msgspec

from porter.catalog.schema import Row
from porter.index.outline import dotted
from porter.index.site import Call, Site
from porter.rules.base import Context, Judgement
from porter.rules.counterpart import Lost
from porter.rules.policy import by_hand
from porter.rules.precision.forward import binds, reads
from porter.rules.precision.seen import Names
from porter.rules.uses import asked_whether_there

PACKAGE = "apex.amp"
INITIALIZE, SCALE, PARAMETERS = f"{PACKAGE}.initialize", f"{PACKAGE}.scale_loss", f"{PACKAGE}.master_params"
SAVE, LOAD = f"{PACKAGE}.state_dict", f"{PACKAGE}.load_state_dict"
HALF = f"{PACKAGE}.register_half_function"
# What an expression may be made of that has no effect, and takes no time.
_PLAIN = (
    *(ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.Compare, ast.UnaryOp, ast.BoolOp),
    *(ast.expr_context, ast.cmpop, ast.unaryop, ast.boolop),
)


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

    def argument(self, name: str, position: int) -> ast.expr | None:
        """An argument by its name or place."""
        given = self.call.get(name, position)
        if given is None:
            return None
        return next((k.value for k in self.node.keywords if k.arg == name), None) or self.node.args[position]

    def scaled(self) -> tuple[ast.With, ast.expr, str]:
        """The block of a ``scale_loss``, the loss, and what it is called there. Raises Lost where it is none."""
        match self.statement, self.node:
            case ast.With(items=[ast.withitem(optional_vars=ast.Name(id=name))]) as block, ast.Call(args=[loss, *_]):
                if block.items[0].context_expr is self.node:
                    return block, loss, name
        raise Lost(f"line {self.site.line} is not `with amp.scale_loss(loss, optimizer) as scaled_loss:`")


class Uses:
    """The uses of one file, and what its names mean."""

    def __init__(self, ctx: Context) -> None:
        """Raises Lost where a use is of something that nothing takes the place of."""
        self.ctx = ctx
        self.outline = ctx.outline()
        self.names = Names(self.outline, ctx.source.text)
        calls = {self.outline.span(node): node for node in self.outline.nodes if isinstance(node, ast.Call)}
        by_place = {(span.start, span.end): node for span, node in calls.items()}
        self.all: list[Use] = []
        for site, row in uses_of_amp(ctx):
            node = by_place.get((site.call.start, site.call.end)) if site.call is not None else None
            if site.call is None or node is None or row.name == PACKAGE or not site.certain:
                raise Lost(f"nothing takes the place of `{site.name}` in line {site.line}")
            self.all.append(Use(row.name, site, site.call, node, self.outline.around(site.start)))
        self._of: dict[str, list[Use]] = {}
        for use in self.all:
            self._of.setdefault(use.name, []).append(use)
        self._check_imports()

    def of(self, name: str) -> list[Use]:
        """The uses of one function."""
        return self._of.get(name, [])

    def _check_imports(self) -> None:
        """Raises Lost where porter does not know all uses of what is imported, or some ask whether it is there."""
        imports = [n for n in self.outline.nodes if isinstance(n, ast.Import | ast.ImportFrom) and _brought(n)]
        starts = {use.site.start for use in self.all}
        brought = {name for node in imports for name in _brought(node)}
        named = (n for n in self.outline.nodes if isinstance(n, ast.Name) and n.id in brought)
        for node in named:
            if isinstance(node.ctx, ast.Load) and self.outline.span(node).start not in starts:
                raise Lost(f"porter does not see what `{node.id}` in line {node.lineno} is for")
        around = {n for node in imports for n in self.outline.around(self.outline.span(node).start)}
        flags = {name for node in around if isinstance(node, ast.Try) for name in _flags(node)} - brought
        for use in self.all:
            tests = [node.test for node in use.around if isinstance(node, ast.If)]
            if asked_whether_there(use.site, self.ctx) or any(reads(n) & flags for n in (*tests, use.node)):
                raise Lost(f"line {use.site.line} depends on whether Apex is there")
        ours = (s for s in self.ctx.sites if s.role == "import" and f"{s.name}.".startswith("apex."))
        if any(guard.kind == "fallback" for site in ours for guard in site.guards):
            raise Lost("it is imported where another import fails")


def _brought(node: ast.Import | ast.ImportFrom) -> list[str]:
    """The names by which a statement imports Apex's mixed precision, or part of it."""
    module = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
    return [a.asname or a.name for a in node.names if f"{module}{a.name}.".startswith(f"{PACKAGE}.")]


def _flags(node: ast.Try) -> set[str]:
    """The names that a ``try`` or its handlers set to a constant: ``has_apex = True``."""
    assigned = (n for n in ast.walk(node) if isinstance(n, ast.Assign) and isinstance(n.value, ast.Constant))
    return {name for statement in assigned for name in binds(statement)}


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
    return [by_hand(r, why) if r.group == PACKAGE and r.edited else r for r in results]


def elsewhere(ctx: Context) -> str | None:
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
                if any(target == "apex" or f"{target}.".startswith(f"{PACKAGE}.") for target in exports):
                    return module
                break
    return None


def is_plain(test: ast.expr) -> bool:
    """Whether a condition has no effect but its answer."""
    return all(isinstance(node, _PLAIN) for node in ast.walk(test))


def stored(block: list[ast.stmt]) -> set[str | None]:
    """The variables that statements give a value; None stands for what is more than names."""
    nodes = (n for statement in block for n in ast.walk(statement) if isinstance(n, ast.Name | ast.Attribute))
    return {dotted(n) for n in nodes if isinstance(n.ctx, ast.Store)}
