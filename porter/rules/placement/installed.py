"""What is asked together with a test for CUDA: whether a package is installed that the program needs there.

By a name that is true only where it is, `has_fused`, set in the ``try`` of its import; or by another question of the
same method, which refuses to run without the one as without the other.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import msgspec

from porter.index.outline import dotted
from porter.index.site import Site
from porter.rules.base import Context
from porter.rules.kernels.known import KERNELS, STAYS, is_kernel
from porter.rules.placement.flags import flag
from porter.rules.placement.reach import called, needed_by

_ASKS = re.compile(r"(?:^|[._])is_(?!torch)(\w+)_(?:available|installed)$")
_ASKING = re.compile(rb"is_\w+_(?:available|installed)\(\)|(?:find_spec|installed|available)\([\"']")
_RELEASE = re.compile(r"_\d+$")  # `is_flash_attn_2_available`
_NATIVE = frozenset({"accelerate", "datasets", "diffusers", "peft", "transformers"})  # these run on Neuron as they are


class Installed(msgspec.Struct, frozen=True):
    """A name that is true only where an import succeeds: what looks for which package."""

    name: str
    where: str
    package: str


def installed(test: Site, ctx: Context) -> Installed | None:
    """The name that an ``and`` joins with a test and that is true only where a package for CUDA is there."""
    names = sorted(set(_joined(test, ctx)))
    for site in ctx.sites if names else ():
        if not _may_fail(site, ctx):
            continue
        tried = ctx.outline().parent(site.start)
        if not isinstance(tried, ast.Try):
            continue
        if (name := next((n for n in names if _only_in(tried, n, test, ctx)), None)) is not None:
            return Installed(name, f"line {site.line}", site.name)
    by_call = (found for name in names if (found := _found_by_call(name, test, ctx)) is not None)
    return next(_own(names, test, ctx), None) or next(by_call, None) or next(_asked_for(test, ctx), None)


def _own(names: list[str], test: Site, ctx: Context) -> Iterator[Installed]:
    """A name that is true only where a module of the repository is there, which needs a package or kernels for CUDA."""
    for tried, node, found in ctx.once(_needing) if names else ():
        if (name := next((n for n in names if _only_in(tried, n, test, ctx)), None)) is not None:
            yield Installed(name, f"line {node.lineno}", found)


def brought(ctx: Context) -> dict[str, str]:
    """The names that a file has only where it can import a module of the repository, with what of CUDA's that needs."""
    bound = {
        alias.asname or alias.name.partition(".")[0]: (tried, found)
        for tried, node, found in ctx.once(_needing)
        for alias in node.names
    }
    return {name: found for name, (tried, found) in bound.items() if _made_in(tried, name, ctx)}


def _needing(ctx: Context) -> list[tuple[ast.Try, ast.Import | ast.ImportFrom, str]]:
    """The imports that a file tries, and that fail without CUDA: what tries them, and what they need."""
    tried = [node for node in ctx.outline().tree.body if isinstance(node, ast.Try)]
    imports = [(t, n) for t in tried for n in t.body if isinstance(n, ast.Import | ast.ImportFrom)]
    return [(t, n, found) for t, n in imports if (found := ctx.once(needed_by, n)) is not None]


def offered(test: Site, ctx: Context) -> Installed | None:
    """The name that an ``and`` joins with a test and that is true only where PyTorch offers what the target has not.

    ``HAS_FLEX and torch.cuda.is_available()``: what the ``try`` imports, or all that is known of the module it is of.
    """
    names = sorted(set(_joined(test, ctx)))
    for tried in ctx.outline().tree.body if names else ():
        if not isinstance(tried, ast.Try):
            continue
        for node in tried.body:
            found = _lacking(node, ctx) if isinstance(node, ast.ImportFrom) and not node.level else None
            if found is not None and (name := next((n for n in names if _only_in(tried, n, test, ctx)), None)):
                return Installed(name, f"line {node.lineno}", found)
    return None


def _lacking(node: ast.ImportFrom, ctx: Context) -> str | None:
    """What a statement imports that somebody has to port: by its own row, or by all that its module has."""
    for alias in node.names:
        row = ctx.catalogue.find("symbol", name := f"{node.module}.{alias.name}")
        module = [n for n in ctx.catalogue.symbols if row is None and n.startswith(f"{node.module}.")]
        rows = [row, *(ctx.catalogue.find("symbol", n) for n in module)]
        verdicts = [ctx.answer(r).verdict for r in rows if r is not None]
        if verdicts and STAYS.issuperset(verdicts):
            return name
    return None


def required(test: Site, ctx: Context) -> str | None:
    """The question for a package that a method puts beside a test: ``if not is_flute_available(): raise``."""
    if "." not in test.scope or not ctx.says(_ASKING):
        return None
    outline, name = ctx.outline(), (flag(test, ctx) or b"").decode()
    refusals = list(_refusals(outline.block(test.start)))
    denied = (node for refusal in refusals for node in ast.walk(refusal.test) if isinstance(node, ast.expr))
    if not any(outline.span(node).start == test.start or dotted(node) == name for node in denied):
        return None
    calls = (node for refusal in refusals for node in ast.walk(refusal.test) if isinstance(node, ast.Call))
    asked = (_ASKS.search(dotted(call.func) or "") for call in calls)
    return next((found.string for found in asked if found is not None and found[1] not in _NATIVE), None)


def _refusals(block: list[ast.stmt]) -> Iterator[ast.If]:
    """The tests of a block, and of what follows them with ``elif``, that deny something and end in an error."""
    for node in block:
        if isinstance(node, ast.If):
            if isinstance(node.body[-1], ast.Raise) and any(isinstance(part, ast.Not) for part in ast.walk(node.test)):
                yield node
            yield from _refusals(node.orelse)


def _may_fail(site: Site, ctx: Context) -> bool:
    """Whether a site is the import of a package for CUDA, and the program goes on without it."""
    return site.role == "import" and any(guard.kind == "import" for guard in site.guards) and is_kernel(site, ctx)


def _found_by_call(name: str, test: Site, ctx: Context) -> Installed | None:
    """``fused = get_fused_class()``: what a function of the program has looked for, whose answer may be None."""
    home = ctx.outline().innermost(test.start)
    calls = []
    for node in ast.walk(home) if home is not None else ():
        match node:
            case ast.Assign(targets=[ast.Name(id=target)], value=ast.Call() as call) if target == name:
                calls.append(call)
    function = called(calls[0], test.scope, ctx) if len(calls) == 1 else None
    module = ctx.project.owner(function) if function is not None else ""
    if function is None or not module:
        return None
    inside = (s for s in ctx.project.sites(module) if f"{module}.{s.scope}" == function)
    found = next((s.name for s in inside if _may_fail(s, ctx)), None)
    return Installed(name, f"`{function.rpartition('.')[2]}`", found) if found is not None else None


def _asked_for(test: Site, ctx: Context) -> Iterator[Installed]:
    """``is_xformers_available() and torch.cuda.is_available()``: a question for a package, by its name."""
    if not ctx.says(_ASKING):
        return
    for part in _asked_with(test, ctx):
        match part:
            case (ast.Call() as call) | ast.Compare(ast.Call() as call, [ast.IsNot()], [ast.Constant(None)]):
                for package in _packages(call):
                    row = ctx.catalogue.find("symbol", package)
                    if row is not None and row.rule in KERNELS and ctx.answer(row).verdict in STAYS:
                        yield Installed(ast.unparse(call), "it", package)


def _packages(call: ast.Call) -> Iterator[str]:
    """The packages that a call may ask for: ``is_flash_attn_2_available()``, ``find_spec("flash_attn")``."""
    asked = _ASKS.search(dotted(call.func) or "")
    if asked is not None:
        yield from (asked[1], _RELEASE.sub("", asked[1]))
    match call.args:
        case [ast.Constant(str(name))]:
            yield name.replace("-", "_")


def _joined(test: Site, ctx: Context) -> Iterator[str]:
    for part in _asked_with(test, ctx):
        match part:
            case ast.Name(name) | ast.Compare(ast.Name(name), [ast.IsNot()], [ast.Constant(None)]):
                yield name


def _asked_with(test: Site, ctx: Context) -> Iterator[ast.expr]:
    """What an ``and`` joins with a test, or an ``or`` that denies both: ``not is_available() or not has_fused``."""
    outline = ctx.outline()
    yield from outline.joined(test.start, test.end)
    for node in outline.expressions(test.start, test.end):
        match node:
            case ast.BoolOp(ast.Or(), values) if all(isinstance(value, ast.UnaryOp) for value in values):
                denied = (v for v in values if isinstance(v, ast.UnaryOp) and not outline.span(v).holds(test.start))
                yield from (value.operand for value in denied)


def _only_in(tried: ast.Try, name: str, test: Site, ctx: Context) -> bool:
    """Whether a name beside a test is made true where the import of a ``try`` has succeeded, and nowhere else."""
    outline = ctx.outline()
    function = outline.function(test.start)
    if function not in (None, outline.function(outline.span(tried).start)) and name in outline.own(function):
        return False
    return _made_in(tried, name, ctx)


def _made_in(tried: ast.Try, name: str, ctx: Context) -> bool:
    """Whether a name is made true where what is tried has succeeded, and nowhere else."""
    outline = ctx.outline()
    spans = [outline.span(statement) for statement in (*tried.body, *tried.orelse)]
    makers = [outline.span(n).start for n in outline.nodes if isinstance(n, ast.stmt) and name in _made_true(n)]
    return bool(makers) and all(any(span.holds(place) for span in spans) for place in makers)


def _made_true(node: ast.stmt) -> Iterator[str]:
    """The names that a statement gives anything but a constant that is false."""
    targets: list[ast.expr] = []
    match node:
        case ast.Assign(value=ast.Constant(value)) | ast.AnnAssign(value=ast.Constant(value)) if not value:
            pass
        case ast.Assign(targets=targets):
            pass
        case ast.AnnAssign(target=target) | ast.AugAssign(target=target) | ast.For(target=target):
            targets = [target]
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in names)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
    yield from (n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name))
