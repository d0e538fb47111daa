"""What the rules for device tests share: whether the code behind a test lets it change, and what changes with it."""

from __future__ import annotations

import ast

from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context
from porter.rules.kernels.known import is_folder, is_kernel, kernel_of
from porter.rules.placement.abroad import handed, unseen
from porter.rules.placement.alongside import alongside
from porter.rules.placement.answers import for_triton
from porter.rules.placement.behind import behind, following, opened, places
from porter.rules.placement.beside import beside
from porter.rules.placement.choices import chosen, generated, given_up, granted, installs, numbered, switched_off
from porter.rules.placement.flags import flag
from porter.rules.placement.hold import Hold
from porter.rules.placement.installed import installed, offered, required
from porter.rules.placement.settings import tuning
from porter.rules.placement.ways import ways
from porter.rules.table import speaks_of

_CHOOSING = ("framework-argument", "compile-backend")  # rules of arguments whose values differ from device to device


def hold(site: Site, ctx: Context) -> Hold | None:
    """Why the test at ``site`` must not become one for the target; None where it may."""
    for look in (
        _kernels,
        beside,
        _installed,
        behind,
        installs,
        chosen,
        numbered,
        granted,
        generated,
        given_up,
        switched_off,
        handed,
        _told,
        unseen,
        tuning,
        _around,
        _answered,
        ways,
        alongside,
    ):
        found = look(site, ctx)
        if found is not None:
            return found
    return None


def _kernels(site: Site, ctx: Context) -> Hold | None:
    """``is_triton_available() and device.type in ("cuda", "xpu")``: where the program's Triton kernels run."""
    name = for_triton(site, ctx)
    if name is None:
        return None
    return Hold(Verdict.PORTABLE, f"left as it is: with `{name}` it says where a Triton kernel runs")


def _installed(site: Site, ctx: Context) -> Hold | None:
    """``torch.cuda.is_available() and has_fused``: what only a package for CUDA makes true."""
    if (name := required(site, ctx)) is not None:
        return Hold(
            Verdict.MANUAL, f"beside it `{name}` asks for a package: see whether that runs on {ctx.target.title}"
        )
    found = installed(site, ctx)
    asks = found if found is not None and _on_cpu(found.package, ctx) else offered(site, ctx)
    if asks is not None:
        advice = f"beside it `{asks.name}` asks for `{asks.package}`: see whether that runs on {ctx.target.title}"
        return Hold(Verdict.MANUAL, advice)
    if found is None:
        return None
    advice = f"left as it is: `{found.name}` is true only where {found.where} finds `{found.package}`, which needs CUDA"
    return Hold(Verdict.PORTABLE, advice)


def _on_cpu(package: str, ctx: Context) -> bool:
    """Whether a package can be there without CUDA."""
    row = ctx.catalogue.find("symbol", package)
    return row is not None and row.on_cpu


def _told(site: Site, ctx: Context) -> Hold | None:
    """``Trainer(accelerator="gpu" if torch.cuda.is_available() else "cpu")``: what a framework or compiler is to do."""
    name = (flag(site, ctx) or b"").decode()
    around = list(ctx.nesting.around(site))
    argument = next((s for s in ctx.once(_choosing) if s in around or (name and s.detail == name)), None)
    if argument is None:
        return None
    return Hold(Verdict.MANUAL, f"it chooses `{argument.name}`: say what that is to be on {ctx.target.title}")


def _choosing(ctx: Context) -> list[Site]:
    """The arguments of a file that choose what a framework or compiler is to do, unless their values are alike."""
    arguments = ((s, ctx.catalogue.find(s.kind, s.name)) for s in ctx.sites if s.kind == "argument")
    telling = ((s, row) for s, row in arguments if row is not None and row.rule in _CHOOSING)
    known = ctx.outline().constants
    return [s for s, row in telling if speaks_of(s, row, ctx) or not any(known(s.start, s.end))]


def _around(site: Site, ctx: Context) -> Hold | None:
    """What the function around the test imports for itself, and not for another block, if that is for CUDA alone."""
    for other in ctx.once(_brought_within):
        if site.inside(other.scope) and ctx.outline().shares_block(other.start, site.start):
            return Hold(Verdict.MANUAL, f"`{other.name}`, which line {other.line} imports for this, needs CUDA")
    return None


def _brought_within(ctx: Context) -> list[Site]:
    """What functions import for themselves that is for CUDA alone."""
    return [s for s in ctx.sites if s.role == "import" and s.scope and is_kernel(s, ctx) and not is_folder(s)]


def _answered(site: Site, ctx: Context) -> Hold | None:
    """In a file with kernels: what a function returns, what a tensor is asked and what a build asks may choose one."""
    statement = site.statement
    if statement is None or any(g.start > statement.start for g in site.guards):
        return None
    is_build = ctx.source.path.endswith("setup.py")
    refuses = ctx.source.text.startswith(b"raise", statement.end) or statement.kind == "Assert"
    returns = statement.kind == "Return" and not (site.parent == "test" and opened(site, ctx))  # seen
    if not (returns or site.name.endswith(".is_cuda") or is_build or refuses):
        return None
    kernel, around = ctx.once(kernel_of), ctx.outline().around(site.start)[-1]
    led = [s for s in (*opened(site, ctx), *following(site, ctx)) if s.scope == site.scope]
    if refuses and any(places(s, ctx) and s.use != "compare" and not s.detail.startswith("`torch.cuda.") for s in led):
        return None  # it is for what is moved behind it
    if kernel is None or (isinstance(around, ast.If) and all(map(_moves, (*around.body, *around.orelse)))):
        return None
    why = "may be what needs it: if so, port that first" if refuses else "may be chosen by this: if so, leave it"
    return Hold(Verdict.MANUAL, f"`{kernel.name}` of line {kernel.line} {why}")


def _moves(node: ast.stmt) -> bool:
    """``x = x.cpu()``: what takes a tensor elsewhere, and runs no kernel."""
    called = node.value.func if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) else None
    return isinstance(called, ast.Attribute) and called.attr in ("cpu", "cuda", "to")
