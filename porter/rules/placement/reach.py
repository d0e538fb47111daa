"""What a device test leads to by way of the program's own functions, classes and modules."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

import msgspec

from porter.index.outline import Arm, Function, dotted
from porter.index.site import Site
from porter.rules.base import Context
from porter.rules.kernels.known import STAYS, is_kernel, is_own_kernel
from porter.rules.placement.flags import flag

_HOPS = 4  # modules between a name and the one that imports what needs CUDA
_COMMANDS = frozenset({"cuda-launch-command"})  # `nvidia-smi` and the like


class Reached(msgspec.Struct, frozen=True):
    """A name of the program that an arm uses, and what behind it needs CUDA."""

    name: str
    needs: str
    loads: bool = False  # it may need it for nothing but to be imported: by way of its file

    @property
    def where(self) -> str:
        """What people are told of it."""
        if self.loads:
            return f"whose file loads `{self.needs}`, which needs CUDA"
        return f"where `{self.needs}` needs CUDA"


def reached(site: Site, ctx: Context) -> Reached | None:
    """What needs CUDA of what the arms of the test at ``site`` use; that of an ``assert`` is the rest of the block."""
    nodes = [node for arm in arms(site, ctx) for node in arm]
    if site.statement is not None and site.statement.kind == "Assert":
        block = ctx.outline().block(site.start)
        nodes += (node for node in block if ctx.outline().span(node).start > site.start)
    return next((found for node in nodes if (found := ctx.once(used, node, site.scope)) is not None), None)


def asks_again(site: Site, ctx: Context) -> str | None:
    """A function of another file that is all that the test at ``site`` leads to, and asks for CUDA itself."""
    calls = (arm[0] for arm in arms(site, ctx) if len(arm) == 1 and isinstance(arm[0], ast.Expr))
    for written, qualified in (found for call in calls for found in _names(call, site.scope, ctx)):
        module = ctx.project.owner(qualified)
        within = qualified[len(module) + 1 :]
        if not module or module == ctx.module or not within:
            continue
        inside = (s for s in ctx.project.sites(module) if s.inside(within))
        if any(s.name == "torch.cuda.is_available" and s.role == "call" for s in inside):
            return written
    return None


def calls_what(does: Callable[[Site], bool], test: Site, ctx: Context) -> str | None:
    """The function of the program that the arms of a test call, as written, if something in it is what is asked for."""
    nodes = (node for arm in arms(test, ctx) for node in arm)
    for written, qualified in (found for node in nodes for found in _names(node, test.scope, ctx)):
        module = ctx.project.owner(qualified)
        within = qualified[len(module) + 1 :]
        inside = (s for s in ctx.project.sites(module) if within and s.inside(within))
        if any(map(does, inside)):
            return written
    return None


def used(ctx: Context, node: ast.AST, scope: str) -> Reached | None:
    """What of the program a piece of code in ``scope`` uses that needs CUDA elsewhere: by itself, or else its file."""
    loaded: Reached | None = None
    for name, qualified in _names(node, scope, ctx):
        if (extension := _loaded(qualified, ctx)) is not None:
            loaded = loaded or Reached(name, extension, loads=True)
        elif (needs := _needs(qualified, ctx)) is not None:
            return Reached(name, needs)
    return loaded


def extension_behind(call: ast.Call, scope: str, ctx: Context) -> Reached | None:
    """The extension of the repository that a call in ``scope`` runs: ``_C.f(x)``, or a function here that does."""
    name = dotted(call.func)
    qualified = full_name(name, scope, ctx) if name is not None else None
    resolved = ctx.project.resolve(qualified, ctx.module) if qualified is not None else ""
    here = resolved.startswith(f"{ctx.module}.")
    needs = _named_in(resolved[len(ctx.module) + 1 :], ctx) if here else _built(resolved, ctx)
    return Reached(name, needs) if name is not None and needs is not None else None


def needed_by(ctx: Context, node: ast.Import | ast.ImportFrom) -> str | None:
    """The package for CUDA, or the extension of the repository, without which an import fails."""
    base = f"{_base(node, ctx)}." if isinstance(node, ast.ImportFrom) else ""
    for qualified in (ctx.project.resolve(f"{base}{alias.name}", ctx.module) for alias in node.names):
        module = ctx.project.owner(qualified)
        found = _built(qualified, ctx) or (_to_load(module, ctx) if module else None)
        if found is not None:
            return found
    return None


def called(call: ast.Call, scope: str, ctx: Context) -> str | None:
    """The function of the project that a call in ``scope`` is of, imported in the function around it or by the file."""
    name = dotted(call.func)
    if name is None:
        return None
    home = ctx.outline().innermost(ctx.outline().span(call).start)
    imports = ctx.outline().all_of(home, ast.ImportFrom) if home is not None else ()
    local = {alias.asname or alias.name: f"{_base(node, ctx)}.{alias.name}" for node in imports for alias in node.names}
    root, _, rest = name.partition(".")
    qualified = ".".join(filter(None, (local[root], rest))) if root in local else full_name(name, scope, ctx)
    return ctx.project.resolve(qualified, ctx.module) if qualified is not None else None


def arms(test: Site, ctx: Context) -> list[Arm]:
    """What runs only where a test holds, or where the variable does that is given its answer."""
    return ctx.once(_arms, test.start, test.end, flag(test, ctx))


def _arms(ctx: Context, start: int, end: int, name: bytes | None) -> list[Arm]:
    outline = ctx.outline()
    named = outline.arms_of(name.decode(), start, outline.denies(start, end)) if name is not None else ()
    return [*outline.arms(start), *named]


def leads_to(test: Site, site: Site, ctx: Context) -> bool:
    """Whether a site runs only where a test holds, by itself or by the name that its answer is given."""
    spans = (ctx.outline().span(node) for arm in arms(test, ctx) for node in arm)
    return any(span.holds(site.start) for span in spans)


def _names(node: ast.AST, scope: str, ctx: Context) -> Iterator[tuple[str, str]]:
    """The names that a node imports, calls or launches, if this module binds them: as written, and as they resolve."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.ImportFrom):
            base = _base(inner, ctx)
            yield from ((a.name, ctx.project.resolve(f"{base}.{a.name}", ctx.module)) for a in inner.names)
        elif isinstance(inner, ast.Call) and (name := _callee(inner)) is not None:
            qualified = full_name(name, scope, ctx)
            if qualified is not None:
                yield name, ctx.project.resolve(qualified, ctx.module)


def _callee(call: ast.Call) -> str | None:
    """What is called, or launched on a grid: ``f(x)``, ``kernel[grid](x)``."""
    return dotted(call.func.value if isinstance(call.func, ast.Subscript) else call.func)


def _base(node: ast.ImportFrom, ctx: Context) -> str:
    """The module that a statement imports from."""
    if not node.level:
        return node.module or ""
    up = node.level - ctx.source.path.endswith("__init__.py")
    parts = ctx.module.split(".")
    return ".".join([*parts[: len(parts) - up], *([node.module] if node.module else [])])


def full_name(name: str, scope: str, ctx: Context) -> str | None:
    """The qualified name of what this module imports or defines; a method of ``self`` by its class."""
    root, _, rest = name.partition(".")
    summary = ctx.project.summary(ctx.module)
    if summary is None:
        return None
    if root == "self" and rest:
        return f"{ctx.module}.{scope.partition('.')[0]}.{rest}"
    if root in summary.exports:
        return ".".join(filter(None, (summary.exports[root], rest)))
    return f"{ctx.module}.{name}" if root in summary.names else None


def _needs(name: str, ctx: Context) -> str | None:
    """What the code called ``name`` uses, whatever the device, and has no equivalent."""
    if (built := _built(name, ctx)) is not None:
        return built
    module = ctx.project.owner(name)
    if not module:
        return None
    within = name[len(module) + 1 :]
    if module == ctx.module and (extension := _named_in(within, ctx)) is not None:
        return extension
    inside = (s for s in ctx.project.sites(module) if within and s.inside(within))
    return next((s.name for s in inside if not s.guards and (_stays(s, ctx) or _fails(s, within, ctx))), None)


def _loaded(name: str, ctx: Context) -> str | None:
    """What needs CUDA and comes with the file of what is called ``name``, if that is another one."""
    module = ctx.project.owner(name)
    return _to_load(module, ctx) or _bound(module, ctx) if module not in ("", ctx.module) else None


def _built(name: str, ctx: Context) -> str | None:
    """The extension of the repository, made of CUDA C++, that a name is of."""
    return next((e for e in sorted(ctx.project.noted.extensions) if f"{name}.".startswith(f"{e}.")), None)


def _named_in(within: str, ctx: Context) -> str | None:
    """The extension of the repository that a function or class of this module names: ``_C.forward(...)``."""
    summary = ctx.project.summary(ctx.module) if ctx.project.noted.extensions else None
    found = _defined(within, ctx.outline().tree.body) if summary is not None else None
    names = {node.id for node in ast.walk(found) if isinstance(node, ast.Name)} if found is not None else set()
    targets = (target for name, target in summary.exports.items() if name in names) if summary is not None else ()
    return next((b for target in targets if (b := _built(ctx.project.resolve(target, ctx.module), ctx))), None)


def _defined(name: str, block: list[ast.stmt]) -> ast.AST | None:
    """The function or class of a module that a name of it stands for.

    An operator is called by its class, ``Attention.apply(...)``, or by a name for that: ``attend = Attention.apply``.
    """
    named = (n for n in block if isinstance(n, ast.Assign) and any(dotted(target) == name for target in n.targets))
    applied = next((dotted(assignment.value) for assignment in named), None)
    found: ast.AST | None = None
    for part in (applied or name).removesuffix(".apply").split("."):
        found = next((n for n in block if isinstance(n, Function | ast.ClassDef) and n.name == part), None)
        block = found.body if isinstance(found, ast.ClassDef) else []
    return found


def _bound(module: str, ctx: Context) -> str | None:
    """The extension of the repository that a module has a name for, though it can be imported without."""
    summary = ctx.project.bindings(module) if ctx.project.noted.extensions else None
    return next((q for q in summary.exports.values() if q in ctx.project.noted.extensions), None) if summary else None


def _to_load(module: str, ctx: Context, hops: int = _HOPS) -> str | None:
    """The package for CUDA without which a module cannot be imported, by way of other modules of the repository."""
    known = ctx.project.needed
    if module not in known:
        known[module] = None  # for modules that import each other
        own = (s for s in ctx.project.sites(module) if s.role == "import" and not s.scope and not s.guards)
        packages = (s for s in own if not s.name.startswith("torch.") and not ctx.project.is_own(s.name))
        found = next((s.name for s in packages if is_kernel(s, ctx) and not _is_on_cpu(s, ctx)), None)
        summary = ctx.project.bindings(module)
        for target in summary.required if summary is not None and found is None and hops else ():
            found = found or _built(ctx.project.resolve(target, module), ctx)
            owner = ctx.project.owner(ctx.project.resolve(target, module))
            found = found or (_to_load(owner, ctx, hops - 1) if owner else None)
        known[module] = found
    return known[module]


def _is_on_cpu(site: Site, ctx: Context) -> bool:
    row = ctx.catalogue.find(site.kind, site.name)
    return row is not None and row.on_cpu


def _stays(site: Site, ctx: Context) -> bool:
    if site.kind == "symbol" and is_compiled(site, ctx):
        return True
    if site.kind == "symbol" and ctx.project.is_own(site.name):
        return False
    row = ctx.catalogue.find(site.kind, site.name)
    if row is not None and row.rule == "data-parallel":  # an object that splits batches, whoever makes it
        return site.role == "call" and site.scope.endswith(".__init__") and ctx.answer(row).verdict in STAYS
    return is_kernel(site, ctx) or (row is not None and row.rule in _COMMANDS)


def _fails(site: Site, function: str, ctx: Context) -> bool:
    """Whether a function calls what CUDA alone has: ``torch.cuda.cudart()``."""
    row = ctx.catalogue.find(site.kind, site.name) if site.role == "call" and site.scope == function else None
    return row is not None and site.name.startswith("torch.cuda.") and ctx.answer(row).verdict in STAYS


def has_sister(kernel: Site, ctx: Context) -> bool:
    """Whether the other arm runs the kernel that its module has for the CPU: ``ext.pool_cuda(x)``, ``ext.pool(x)``."""
    tests = [node for node in ctx.outline().around(kernel.start) if isinstance(node, ast.If)]
    if not tests or not is_compiled(kernel, ctx):
        return False
    calls = {dotted(node.func) for node in ast.walk(tests[-1]) if isinstance(node, ast.Call)}
    written = ctx.text(kernel.start, kernel.end)
    return any(written.replace("_cuda", other) in calls for other in ("", "_cpu"))


def is_compiled(site: Site, ctx: Context) -> bool:
    """Whether a site calls a kernel of a module that the repository only builds: ``from ._ext import nms_cuda``."""
    if not (is_own_kernel(site, ctx) and ctx.project.is_own(site.name)):
        return False
    owner = ctx.project.owner(site.name)
    summary = ctx.project.bindings(owner) if owner else None
    part = site.name.removeprefix(f"{owner}.").partition(".")[0]
    return summary is None or not (summary.starred or part in summary.names or part in summary.exports)
