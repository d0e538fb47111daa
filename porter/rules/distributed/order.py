"""The order of device and process group: what a function does before it joins the others."""

from __future__ import annotations

import ast
import re

from porter.index.outline import Function, dotted
from porter.index.site import Site
from porter.rules.base import Context
from porter.rules.placement.reach import called
from porter.rules.uses import rest_of_function

_INIT = ("torch.distributed.init_process_group", "torch.distributed.distributed_c10d.init_process_group")
_JOIN = "deepspeed.init_distributed"  # creates the group as well
# What asks or prepares without starting the runtime.
_IDLE = frozenset({"is_available", "device_count", "is_initialized", "is_bf16_supported", "set_device", "device"})
_SEEDS = ("manual_seed", "seed")
PLACES = re.compile(rb"\.(?:to|cuda|to_empty)\(|[(,]\s*device\s*=")  # puts something on a device


def is_start(site: Site) -> bool:
    """Whether the site creates the default process group."""
    return site.name in _INIT and site.role == "call"


def group_behind(site: Site, ctx: Context) -> Site | None:
    """The first call that creates the process group after the site, in the same function."""
    behind = (s for s in ctx.once(_starts) if s.scope == site.scope and s.start > site.start)
    return min(behind, key=lambda s: s.start, default=None)


def _starts(ctx: Context) -> list[Site]:
    """The calls of the file that create the process group."""
    return list(filter(is_start, ctx.sites))


def helper_behind(site: Site, ctx: Context) -> tuple[str, str] | None:
    """A function that is called after the site and creates the process group: its name, and where.

    It is one of the program's, or of a package that has one of its own.
    """
    starts = (s for s in ctx.once(_starts) if s.scope and s.scope != site.scope)
    helpers = {s.scope.rpartition(".")[2]: s for s in starts}
    rest = rest_of_function(site, ctx) if helpers else b""
    for name, start in helpers.items():
        if re.search(rb"\b%s\(" % name.encode(), rest):
            return start.scope, f"line {start.line}"
    behind = ctx.outline().behind(site.start)
    for join in ctx.once(_joins, site.scope):
        if any(span.holds(join.start) for span in behind):
            return join.name, f"line {join.line}"
    home = ctx.outline().function(site.start)
    for call, module in ctx.once(_starting_elsewhere, home, site.scope) if home is not None else ():
        if any(span.holds(ctx.outline().span(call).start) for span in behind):
            return dotted(call.func) or "", f"`{module}`"
    return None


def _joins(ctx: Context, scope: str) -> list[Site]:
    """The calls in a scope of what creates the process group as well."""
    return [s for s in ctx.where("name", _JOIN) if s.call is not None and s.scope == scope]


def _starting_elsewhere(ctx: Context, home: Function, scope: str) -> list[tuple[ast.Call, str]]:
    """The calls in a function of what creates the process group in another file, each with the module of that."""
    calls = ((call, *_inside(call, scope, ctx)) for call in ctx.outline().all_of(home, ast.Call))
    return [(call, module) for call, module, inside in calls if module != ctx.module and any(map(is_start, inside))]


def comes_first(site: Site, ctx: Context) -> bool:
    """Whether the function around the site creates the process group later, itself or through another of the file."""
    return (group_behind(site, ctx) or helper_behind(site, ctx)) is not None


def uses_before(group: Site, ctx: Context) -> list[Site]:
    """The sites that put the device to use before the process group is created, in the same function."""
    before = (s for s in ctx.where("scope", group.scope) if s.end <= group.start)
    return [s for s in before if _uses_device(s, group, ctx) and not _excluded(s, group)]


def helper_before(group: Site, ctx: Context) -> tuple[str, int, str] | None:
    """A function of the program that runs before the process group is created: its name, the line, what it uses."""
    for owner, above in ctx.outline().before(group.start):
        simple = (node for node in above if isinstance(node, ast.Assign | ast.AnnAssign | ast.Expr))
        for call in (node for statement in simple for node in ctx.outline().all_of(statement, ast.Call)):
            if (used := ctx.once(_used_by, call, group.scope)) is not None:
                return dotted(call.func) or "", call.lineno, used
        if isinstance(owner, Function):
            return None
    return None


def _used_by(ctx: Context, call: ast.Call, scope: str) -> str | None:
    """What starts the runtime of all that the function called does, unless that creates a process group as well."""
    _, inside = _inside(call, scope, ctx)
    if any(is_start(s) for s in inside):
        return None
    direct = (s.name for s in inside if s.name.startswith("torch.cuda.") and s.name.count(".") == 2)
    return next((name for name in direct if _starts_runtime(name.rpartition(".")[2])), None)


def _inside(call: ast.Call, scope: str, ctx: Context) -> tuple[str, list[Site]]:
    """The module whose function a call in ``scope`` is of, and the calls in that function; none elsewhere."""
    name = called(call, scope, ctx)
    module = ctx.project.owner(name) if name is not None else ""
    if name is None or not module:
        return "", []
    within = name[len(module) + 1 :]
    inside = (s for s in ctx.project.sites(module) if s.scope in (within, f"{within}.__init__"))
    return module, [s for s in inside if s.role == "call"]


def _starts_runtime(name: str) -> bool:
    """Whether a function of ``torch.cuda`` starts the runtime."""
    return (name not in _IDLE or name == "set_device") and not name.startswith(_SEEDS)


def _uses_device(site: Site, group: Site, ctx: Context) -> bool:
    if site.kind == "device":
        made = site.sink == "device" and site.detail.startswith("`") and site.detail != "`torch.cuda.set_device()`"
        chosen = "torch.device" in site.detail  # a value: in use once something is moved there
        return made and (not chosen or PLACES.search(ctx.source.text, site.end, group.start) is not None)
    if site.role != "call":
        return False
    name = site.name.rpartition(".")[2]
    if site.name.startswith("torch.cuda."):
        return name not in _IDLE and not name.startswith(_SEEDS)
    return name == "cuda"


def _excluded(site: Site, group: Site) -> bool:
    """Whether perhaps only one of the two runs: in different arms, or where the site leaves the function."""
    leaves = site.statement is not None and site.statement.kind == "Return"
    return leaves or (bool(site.guards) and site.guards != group.guards)
