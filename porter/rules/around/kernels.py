"""What serves kernels for CUDA: it launches them, derives from them, or is what they are given."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import msgspec

from porter.index.outline import Span, dotted
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.around.keeper import Keeper, stays, whole_function
from porter.rules.base import Context, Judgement
from porter.rules.environment.cuda_environment_variable import takes_apart
from porter.rules.kernels.known import STAYS, is_kernel
from porter.rules.placement.flags import flag
from porter.rules.placement.installed import brought
from porter.rules.takers import taker
from porter.rules.tested import Tests, is_test
from porter.rules.uses import HANDLES

_DEFINED = re.compile(rb"\s(?:def|class)\s+(\w+)")
_COMPILED = re.compile(rb"(?<=@)(?:[\w.]*\.)?(?:jit|kernel)\b")  # a decorator by which packages compile a kernel
_KERNEL = re.compile(r"_cuda(?:\.\w+)?$")
_GRAPH = re.compile(r"cuda_?graph", re.IGNORECASE)
_SYMMETRIC = "torch.distributed._symmetric_memory."
_PACKAGES = frozenset({"cuda-only-package", "framework-argument"})
_TESTS_OF_FSDP = "torch.testing._internal.common_fsdp."
_PRIVATE = re.compile(r"torch\._C\._cuda_|torch\.cuda\._lazy_call$")
_STATE = re.compile(r"generator|rng", re.IGNORECASE)


def launches(ctx: Context) -> Iterator[Keeper]:
    """The kernels of this file, and functions that use one, as all do that launch it: ``kernel[grid]()``."""
    text, outline = ctx.source.text, ctx.outline
    kernels: dict[str, str] = {}  # by name: the package that compiles it
    for site in ctx.sites:
        if site.name == "triton.Config" and site.role == "call":
            yield from whole_function(
                site.start, f"line {site.line} says how a kernel of `triton` runs: port both", ctx
            )
        if _COMPILED.match(text, site.start) is None or not is_kernel(site, ctx):
            continue
        compiler, defined = site.name.partition(".")[0], _DEFINED.search(text, site.end)
        if defined is not None:
            name = defined[1].decode()
            kernels[name] = compiler
            is_one = f"`{name}` is a kernel of `{compiler}`: port both together"
            yield from whole_function(defined.start(1), is_one, ctx)
    for node in outline().nodes if kernels else ():
        if isinstance(node, ast.Name) and node.id in kernels and isinstance(node.ctx, ast.Load):
            what = f"`{node.id}`, which line {node.lineno} uses, is a kernel of `{kernels[node.id]}`"
            yield from whole_function(outline().span(node).start, f"{what}: port both together", ctx)


def asking(ctx: Context) -> Iterator[Keeper]:
    """Functions that ask Triton's driver of a device, as those that choose a kernel's configuration do."""
    for site in ctx.sites:
        if site.name.startswith("triton.runtime") and site.role != "import" and site.scope:
            yield from whole_function(site.start, f"line {site.line} asks Triton's driver: port both together", ctx)


def derived(ctx: Context) -> Iterator[Keeper]:
    """Classes with a base of a package for CUDA, ``class Calibrator(trt.IInt8Calibrator)``, or a test on other devices.

    So are the classes of the file that have such a base.
    """
    bases: dict[str, str] = {}  # by class: the first base of it that stays
    for site in ctx.sites:
        if site.role == "base" and (is_kernel(site, ctx) or _is_test_elsewhere(site, ctx)):
            home = next((n for n in reversed(ctx.outline().around(site.start)) if isinstance(n, ast.ClassDef)), None)
            if home is not None:
                bases[home.name] = site.name
                yield _class(home, site.name, ctx)
    for node in ctx.outline().tree.body if bases else ():
        if isinstance(node, ast.ClassDef) and node.name not in bases:
            kept = next((bases[name] for base in node.bases if (name := dotted(base)) in bases), None)
            if kept is not None:
                bases[node.name] = kept
                yield _class(node, kept, ctx)


def _class(home: ast.ClassDef, base: str, ctx: Context) -> Keeper:
    lacks = f"knows no {ctx.target.title}" if base.startswith("torch.") else "needs CUDA"
    return Keeper(ctx.outline().span(home), f"`{home.name}` is a `{base}`, which {lacks}")


def _is_test_elsewhere(site: Site, ctx: Context) -> bool:
    """Whether a site is a class of PyTorch's tests that takes the CPU where it does not know the device."""
    row = ctx.catalogue.find(site.kind, site.name) if site.name.startswith(_TESTS_OF_FSDP) else None
    return row is not None and ctx.answer(row).verdict in STAYS


def configuring(ctx: Context) -> Iterator[Keeper]:
    """Functions that nothing uses but the decorators of kernels: ``@triton.autotune(configs=configs())``."""
    outline = ctx.outline
    kernels = [site.start for site in ctx.sites if site.role in ("call", "decorator") and is_kernel(site, ctx)]
    above = (d for node in outline().nodes for d in getattr(node, "decorator_list", ())) if kernels else ()
    spans = [span for d in above if any((span := outline().span(d)).holds(start) for start in kernels)]
    functions = {n.name: n for n in outline().tree.body if isinstance(n, ast.FunctionDef)} if spans else {}
    uses: dict[str, list[bool]] = {}
    for node in outline().nodes if functions else ():
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in functions:
            place = outline().span(node).start
            uses.setdefault(node.id, []).append(any(span.holds(place) for span in spans))
    for name, found in uses.items():
        if all(found) and not ctx.project.borrowed(f"{ctx.module}.{name}"):
            why = f"nothing uses `{name}` but the decorators of kernels: port them together"
            yield Keeper(outline().span(functions[name]), why)


def registered(results: list[Judgement], ctx: Context) -> Iterator[Keeper]:
    """Functions that a decorator registers as an operator's kernel for CUDA: ``@register_kernel("ops::f", "cuda")``."""
    for result in results:
        if result.rule == "cuda-extension" and result.site.kind == "argument" and stays(result):
            below = next((n for n in ctx.outline().around(result.site.start) if _decorated(n, result.site, ctx)), None)
            if below is not None:
                why = f"line {result.site.line} registers it for CUDA: port both together"
                yield Keeper(ctx.outline().span(below), why)


def _decorated(node: ast.AST, site: Site, ctx: Context) -> bool:
    """Whether a site stands in a decorator of a node."""
    return any(ctx.outline().span(decorator).holds(site.start) for decorator in getattr(node, "decorator_list", ()))


def captures(results: list[Judgement], ctx: Context) -> Iterator[Keeper]:
    """Streams of a function that captures a CUDA graph, or says so by its name: the capture is what they are for."""
    for result in results:
        name = result.site.scope.rpartition(".")[2]
        if result.rule == "cuda-stream" and result.edited and _GRAPH.search(name):
            why = f"`{name}` is for a CUDA graph, which the stream serves: port both"
            yield Keeper(Span(result.site.start, result.site.end), why, rule="cuda-stream")
        if result.rule == "cuda-graph" and result.site.scope and stays(result):
            function = ctx.outline().innermost(result.site.start)
            if function is not None:
                why = f"line {result.site.line} captures a CUDA graph, which the stream serves: port both"
                yield Keeper(ctx.outline().span(function), why, rule="cuda-stream")


def mapped(results: list[Judgement], ctx: Context) -> Iterator[Keeper]:
    """Functions that work in the GPUs' symmetric memory, and the streams of their class."""
    for site in (r.site for r in results if r.site.name.startswith(_SYMMETRIC) and r.site.role == "call" and stays(r)):
        why = f"line {site.line} maps the memory of other GPUs: port both together"
        yield from whole_function(site.start, why, ctx)
        classes = (node for node in ctx.outline().around(site.start) if isinstance(node, ast.ClassDef))
        yield from (Keeper(ctx.outline().span(home), why, rule="cuda-stream") for home in classes)


def handing(results: list[Judgement], ctx: Context) -> Iterator[Keeper]:
    """Functions that hand PyTorch's stream to a library as a raw handle, which launches kernels on it.

    Their class may keep such kernels by the number of the device in use: ``self.kernels[torch.cuda.current_device()]``.
    """
    kept = Tests((r.site for r in results if is_test(r) and r.verdict is Verdict.PORTABLE), ctx)
    for site in (r.site for r in results if r.site.name.endswith(HANDLES) and r.site.scope and stays(r)):
        if kept.opening(site):
            continue  # nobody comes there but CUDA
        why = f"line {site.line} hands a stream to a library of CUDA's: port both together"
        yield from whole_function(site.start, why, ctx)
        classes = (node for node in ctx.outline().around(site.start) if isinstance(node, ast.ClassDef))
        yield from (Keeper(ctx.outline().span(home), why, rule="cuda-device-context") for home in classes)


def served(ctx: Context) -> Iterator[Keeper]:
    """Blocks that choose a device for kernels alone: ``with torch.cuda.device(d): x_cuda.f()``.

    Behind a test for CUDA it is the test that keeps them.
    """
    for site in ctx.sites:
        if site.name != "torch.cuda.device" or site.parent != "With" or any(g.kind == "cuda" for g in site.guards):
            continue
        block = ctx.outline().around(site.start)[-1]
        if isinstance(block, ast.With):
            called = [_kernel(statement, ctx) for statement in block.body]
            if called[0] is not None and all(called):
                yield Keeper(ctx.outline().span(block), f"it serves `{called[0]}` alone, which needs CUDA")


def _kernel(statement: ast.stmt, ctx: Context) -> str | None:
    """What a statement calls, if that is a kernel of the program, or of a package for CUDA, and all that it does."""
    match statement:
        case ast.Expr(value=ast.Call(func=func)) | ast.Assign(value=ast.Call(func=func)):
            name, start = dotted(func), ctx.outline().span(func).start
        case _:
            return None
    kernels = (name is not None and _KERNEL.search(name)) or any(is_kernel(s, ctx) for s in ctx.where("start", start))
    return name if kernels else None


def private(results: list[Judgement], ctx: Context) -> Iterator[Keeper]:
    """Functions that reach below ``torch.cuda``, as to set the state of its generators, and states for them alone."""
    outline, names = ctx.outline(), set[str]()
    for site in (r.site for r in results if _PRIVATE.match(r.site.name) and r.site.scope and stays(r)):
        yield from whole_function(site.start, f"line {site.line} asks a private part of CUDA: port both", ctx)
        function = outline.function(site.start)
        if function is not None and _STATE.search(function.name):
            names.add(function.name)
    for node in (n for n in outline.nodes if isinstance(n, ast.Call)) if names else ():
        name = dotted(node.func)
        if name in names:
            why = f"line {node.lineno} gives a state to `{name}`, which stays CUDA's: port both"
            for keeper in whole_function(outline.span(node).start, why, ctx):
                yield msgspec.structs.replace(keeper, rule="cuda-rng")


def taken(results: list[Judgement], ctx: Context) -> Iterator[Keeper]:
    """Devices of tensors that nothing takes but kernels for CUDA."""
    for result in results:
        if result.edited and result.site.kind == "device" and (call := taker(result.site, ctx)) is not None:
            why = f"it goes with `{ast.unparse(call.func)}` in line {call.lineno}, which needs CUDA: port both together"
            yield Keeper(Span(result.site.start, result.site.end), why)


def given(results: list[Judgement], ctx: Context) -> Iterator[Keeper]:
    """What a package for CUDA is given: arguments of its calls, and attributes of what they return."""
    outline = ctx.outline
    sites = [r.site for r in results if r.rule in _PACKAGES and r.site.role == "call" and stays(r)]
    sites += [site for site in ctx.sites if site.name.startswith("triton.") and site.role == "call"]
    for site in sites:
        if site.call is None:
            continue
        why = f"it goes to `{site.name}()` in line {site.line}, which needs CUDA: port both together"
        yield Keeper(Span(site.end, site.call.end), why)
        made, home = (flag(site, ctx) or b"").decode(), outline().innermost(site.start) or outline().tree
        passed = {ctx.text(argument.start, argument.end) for argument in site.call.arguments}
        functions = (n for n in ast.walk(home) if isinstance(n, ast.FunctionDef) and n.name in passed)
        yield from (Keeper(outline().span(function), why) for function in functions)
        for node in ast.walk(home) if made else ():
            targets = node.targets if isinstance(node, ast.Assign) else ()
            if any(isinstance(t, ast.Attribute) and dotted(t.value) == made for t in targets):
                yield Keeper(outline().span(node), why)


def optional(results: list[Judgement], ctx: Context) -> Iterator[Keeper]:
    """What functions are given that the program has only with kernels for CUDA: ``fused(x, half=autocast_is_on())``."""
    edited = [r.site.start for r in results if r.edited]
    needs, outline = ctx.once(brought) if edited else {}, ctx.outline
    for call in outline().all_of(outline().tree, ast.Call) if needs else ():
        name = dotted(call.func)
        found = needs.get(name.partition(".")[0]) if name is not None else None
        span = Span(outline().span(call.func).end, outline().span(call).end)
        if found is not None and any(span.holds(place) for place in edited):
            yield Keeper(
                span, f"it goes to `{name}()` in line {call.lineno}, where `{found}` needs CUDA: port both together"
            )


def listed(ctx: Context) -> Iterator[Keeper]:
    """Functions that take the list of the GPUs apart which the process sees: what they count are GPUs."""
    for site in ctx.sites:
        if site.name.endswith("_VISIBLE_DEVICES") and site.scope and takes_apart(site, ctx):
            function = ctx.outline().function(site.start)
            if function is not None:
                yield Keeper(ctx.outline().span(function), f"line {site.line} takes a list of GPUs apart: port both")


def keyed(ctx: Context) -> Iterator[Keeper]:
    """Classes and functions that file generators or their states under ``f"cuda:{index}"``: the name stays CUDA's."""
    for site in ctx.sites:
        if site.kind == "device" and site.name == "cuda:{}" and (site.use == "key" or site.parent == "Target"):
            outline = ctx.outline()
            around = outline.around(site.start)
            home = next((n for n in around if isinstance(n, ast.ClassDef | ast.FunctionDef)), None)
            if home is not None and _STATE.search(ast.unparse(home)):
                yield Keeper(outline.span(home), f"line {site.line} keeps a state as `cuda:` and a number: port both")
