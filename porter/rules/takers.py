"""What takes the value that a literal makes: where that is nothing but CUDA's, the literal goes with it."""

from __future__ import annotations

import ast
import builtins
import re

from porter.index.outline import Span, dotted
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context, Judgement
from porter.rules.kernels.known import KERNELS, STAYS
from porter.rules.placement.flags import flag
from porter.rules.placement.reach import called
from porter.rules.policy import by_hand
from porter.rules.uses import function_around

_PASSED = frozenset({"argument", "keyword"})
_HANDED = re.compile(rb"[(,=]\s*\Z")  # what stands before an argument


def taker(site: Site, ctx: Context) -> ast.Call | None:
    """The first call that takes a tensor made at ``site``, if all do that take it, and each needs a kernel for CUDA.

    ``a = torch.randn(3, device="cuda"); matmul(a)``: nothing is to be seen of the tensor but what the kernel does.
    """
    if not _is_handed_on(site, ctx):
        return None
    match ctx.outline().around(site.start)[-1:]:
        case [ast.Assign(targets=[ast.Name(id=name)])]:
            home = ctx.outline().innermost(site.start) or ctx.outline().tree
        case _:
            return None
    taking = ctx.once(_taking, home)
    uses = [use for use in ctx.outline().named(home, name) if isinstance(use.ctx, ast.Load)]
    takers = [taking[use] for use in uses if use in taking]
    if len(takers) < len(uses) or not all(_is_kernel(call, site.scope, ctx) for call in takers):
        return None
    return takers[0] if takers else None


def _taking(ctx: Context, home: ast.AST) -> dict[ast.expr, ast.Call]:
    """The arguments in a part of the file, each with the call that takes it."""
    return {argument: call for call in ctx.outline().all_of(home, ast.Call) for argument in _arguments(call)}


def owned(results: list[Judgement], ctx: Context) -> list[Judgement]:
    """``client.start(device="cuda")``, which stays: what the rest of the block hands to `client` stays with it."""
    owners = [(r.site, name) for r in results if _stays(r) and (name := _owner(r.site, ctx)) is not None]

    def held(result: Judgement) -> Judgement:
        if not result.edited or result.site.kind != "device":
            return result
        for kept, name in owners:
            rest = ctx.outline().rest_of_block(kept.end)
            if rest.holds(result.site.start) and _goes_to(name, result.site, rest, ctx):
                return by_hand(result, f"it goes to `{name}`, whose device in line {kept.line} stays: change both")
        return result

    return [held(r) for r in results] if owners else results


def _stays(result: Judgement) -> bool:
    site = result.site
    return site.kind == "device" and site.use in _PASSED and result.verdict in STAYS and not result.edited


def _owner(site: Site, ctx: Context) -> str | None:
    """The variable of whose method a device is an argument, if it is given its value here."""
    calls = [node for node in ctx.outline().expressions(site.start, site.end) if isinstance(node, ast.Call)]
    match calls[-1:]:
        case [ast.Call(func=ast.Attribute(value=ast.Name(id=name)))]:
            home = ctx.outline().innermost(site.start) or ctx.outline().tree
            return name if any(isinstance(n.ctx, ast.Store) for n in ctx.outline().named(home, name)) else None
    return None


def _goes_to(owner: str, site: Site, rest: Span, ctx: Context) -> bool:
    """Whether what a device makes is an argument of the owner's calls, by itself or by the name it is given."""
    outline = ctx.outline()
    around = outline.expressions(site.start, site.end)
    if any(isinstance(node, ast.Call) and _is_of(owner, node) for node in around):
        return True
    match outline.around(site.start)[-1:]:
        case [ast.Assign(targets=[ast.Name(id=name)])]:
            calls = (n for n in outline.all_of(outline.tree, ast.Call) if rest.holds(outline.span(n).start))
            taken = (argument for call in calls if _is_of(owner, call) for argument in _arguments(call))
            return any(isinstance(argument, ast.Name) and argument.id == name for argument in taken)
    return False


def _is_of(owner: str, call: ast.Call) -> bool:
    return (dotted(call.func) or "").partition(".")[0] == owner


def _is_handed_on(site: Site, ctx: Context) -> bool:
    """Whether the text tells of nothing but arguments: few tensors are, and to parse a file takes time."""
    name = flag(site, ctx)
    if name is None or site.use != "argument" or site.detail == "`torch.device()`":
        return False
    return ctx.once(_is_only_given, name, function_around(site, ctx))


def _is_only_given(ctx: Context, name: bytes, text: bytes) -> bool:
    uses = list(re.finditer(rb"(?<![\w.])" + re.escape(name) + rb"(?!\w)(?!\s*=(?!=))", text))
    return all(_HANDED.search(text, max(0, m.start() - 40), m.start()) for m in uses) and bool(uses)


def _arguments(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def _is_kernel(call: ast.Call, scope: str, ctx: Context) -> bool:
    """Whether a call is of a package that has no equivalent, or of the program's own in a module that needs Triton."""
    span = ctx.outline().span(call.func)
    if any(s.role == "call" and _needs(s, ctx, Verdict.BLOCKED) for s in ctx.where("start", span.start)):
        return True
    if isinstance(call.func, ast.Name) and _is_of_star(call.func.id, ctx):
        return True
    name = called(call, scope, ctx)
    module = ctx.project.owner(name) if name is not None else ""
    if not module or module == ctx.module:
        return False
    own = (s for s in ctx.project.sites(module) if s.role == "import" and not s.scope and not s.guards)
    return any(s.name.partition(".")[0] == "triton" and _needs(s, ctx, *STAYS) for s in own)


def _is_of_star(name: str, ctx: Context) -> bool:
    """Whether a name can only come from a ``*``, and all that the file imports so is of packages without equivalent."""
    if b"import *" not in ctx.source.text:
        return False
    outline = ctx.outline()
    nodes = [node for node in outline.nodes if isinstance(node, ast.ImportFrom)]
    stars = [outline.span(node).start for node in nodes if node.names[0].name == "*"]
    bound = {
        alias.asname or alias.name
        for node in outline.nodes
        for alias in getattr(node, "names", ())
        if isinstance(alias, ast.alias)
    }
    bound |= {n.id for n in outline.nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    bound |= {n.name for n in outline.nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    bound |= {n.arg for n in outline.nodes if isinstance(n, ast.arg)}
    blocked = {
        s.statement.start for s in ctx.sites if s.statement and s.role == "import" and _needs(s, ctx, Verdict.BLOCKED)
    }
    return bool(stars) and blocked.issuperset(stars) and name not in bound and not hasattr(builtins, name)


def _needs(site: Site, ctx: Context, *verdicts: Verdict) -> bool:
    row = ctx.catalogue.find(site.kind, site.name)
    return row is not None and row.rule in KERNELS and ctx.answer(row).verdict in verdicts
