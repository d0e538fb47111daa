"""What stands around an edit and stays CUDA's, where no test tells them apart.

A block that imports TensorRT for itself runs on TensorRT, a function that launches a Triton kernel needs what the
kernel needs, and a test asserts what the code that it calls does: half of one, ported, fails.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import msgspec

from porter.index.outline import Span, dotted
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context, Judgement
from porter.rules.environment.cuda_environment_variable import takes_apart
from porter.rules.kernels.known import KERNELS, STAYS, brings_kernels, is_kernel, is_own_kernel
from porter.rules.placement.flags import flag
from porter.rules.placement.reach import used
from porter.rules.policy import by_hand, leave
from porter.rules.takers import taker

_DEFINED = re.compile(rb"\s(?:def|class)\s+(\w+)")
_ANSWERS = frozenset({"cuda-availability", "cuda-device-properties"})  # what marks of tests are made of
_COMPILED = re.compile(rb"(?<=@)(?:[\w.]*\.)?(?:jit|kernel)\b")  # a decorator by which packages compile a kernel
_KERNEL = re.compile(r"_cuda(?:\.\w+)?$")
_MOCK = re.compile(rb"\b(?:setattr|patch(?:\.object)?)\(\s*[\"']?[\w.]*\btorch\.cuda\b")
_ENDS = re.compile(rb"^(?:sys\.exit\(|os\._exit\(|raise\b)", re.M)  # at the top of a file
_GRAPH = re.compile(r"cuda_?graph", re.IGNORECASE)
_STATE = re.compile(r"generator|rng", re.IGNORECASE)
_ASKED = re.compile(r"cuda|gpu|(?P<triton>triton)(?!\.)|(?P<flash>flash_?att)", re.IGNORECASE)


class Keeper(msgspec.Struct, frozen=True):
    """Code in which nothing is edited, and why: a person has to port it, or it never runs without CUDA."""

    span: Span
    why: str
    runs: bool = True
    rule: str = ""  # the one rule whose edits it keeps back; empty for all


def surrounded(results: list[Judgement], ctx: Context) -> list[Judgement]:
    """Take back edits of what stands in a block, a function or a test that stays CUDA's as a whole."""
    if not any(r.edited or _withheld(r, ctx) for r in results):
        return results
    keepers = [
        *_ended(ctx),
        *_imports(results, ctx),
        *_launches(ctx),
        *_keyed(ctx),
        *_derived(ctx),
        *_registered(results, ctx),
        *_listed(ctx),
        *_served(ctx),
        *_taken(results, ctx),
        *_given(results, ctx),
    ]
    if ctx.in_test():
        keepers += [*_tests(results, ctx), *_gates(results, ctx), *_mocked(results, ctx)]
    keepers += [*_captures(results, ctx), *_helpers(keepers, ctx), *_where_found(results, ctx)]

    def held(result: Judgement) -> Judgement:
        keeper = next((k for k in keepers if k.span.holds(result.site.start) and k.rule in ("", result.rule)), None)
        if keeper is None or result.site.role == "import" or result.verdict is Verdict.PORTABLE:
            return result
        if not keeper.runs:
            return leave(result, keeper.why)
        return by_hand(result, keeper.why) if result.edited or _withheld(result, ctx) else result

    return [held(r) for r in results] if keepers else results


def _withheld(result: Judgement, ctx: Context) -> bool:
    """Whether porter wrote nothing for a reason of the line's own. In a test, what the test needs is told first."""
    known = result.row is not None and ctx.answer(result.row).verdict in (Verdict.AUTO, Verdict.REVIEW)
    return known and result.verdict is Verdict.MANUAL and ctx.in_test()


def _stays(result: Judgement) -> bool:
    return result.verdict in STAYS and not result.edited


def _imports(results: list[Judgement], ctx: Context) -> Iterator[Keeper]:
    """What follows the import of a package for CUDA in the same block: ``elif engine: import tensorrt``."""
    edited = {result.site.start for result in results if result.edited}
    for site in ctx.sites:
        if site.role != "import" or not brings_kernels(site, ctx):
            continue
        uses = [s for s in ctx.sites if s.certain and s.name.startswith(f"{site.name}.") and s.role != "import"]
        optional = any(guard.kind == "import" for guard in site.guards)
        tried = ctx.outline().parent(site.start)
        insists = isinstance(tried, ast.Try) and all(isinstance(h.body[-1], ast.Raise) for h in tried.handlers)
        if uses and all(use.start in edited for use in uses):
            continue  # it goes with them
        if optional and isinstance(tried, ast.Try) and site.scope and _imported_again(tried):
            why = f"`{site.name}`, which line {site.line} imports for this, needs CUDA"
            yield Keeper(ctx.outline().rest_of_block(ctx.outline().span(tried).start), why)
        elif optional and isinstance(tried, ast.Try):
            why = f"it runs only where line {site.line} finds `{site.name}`, which needs CUDA"
            yield Keeper(ctx.outline().rest_of_block(site.start), why, runs=False)
        elif site.scope and not site.guards and is_kernel(site, ctx):
            why = f"`{site.name}`, which line {site.line} imports for this, needs CUDA"
            start = ctx.outline().span(tried).start if insists else site.start
            yield Keeper(ctx.outline().rest_of_block(start), why)


def _where_found(results: list[Judgement], ctx: Context) -> Iterator[Keeper]:
    """Edits of what runs only where an import has not failed: ``if bnb is not None:``."""
    outline = ctx.outline
    for site in (s for s in ctx.sites if s.role == "import" and brings_kernels(s, ctx)):
        tried = outline().parent(site.start)
        if not isinstance(tried, ast.Try) or not any(guard.kind == "import" for guard in site.guards):
            continue
        brought = (node for node in tried.body if isinstance(node, ast.Import | ast.ImportFrom))
        names = {alias.asname or alias.name for node in brought for alias in node.names}
        for node in (n for n in outline().nodes if isinstance(n, ast.If)):
            asked = node.test.values if isinstance(node.test, ast.BoolOp) else [node.test]
            told = any(ast.unparse(part).removesuffix(" is not None") in names for part in asked)
            if told and not (isinstance(node.test, ast.BoolOp) and isinstance(node.test.op, ast.Or)):
                behind = Span(outline().span(node.test).end, outline().span(node.body[-1]).end)
                why = f"it runs only where line {site.line} finds `{site.name}`, which needs CUDA"
                places = (r.site for r in results if r.edited and behind.holds(r.site.start))
                yield from (Keeper(Span(place.start, place.end), why, runs=False) for place in places)


def _ended(ctx: Context) -> Iterator[Keeper]:
    """What follows the end of a script, which stands there for all who run it: ``sys.exit(0)``."""
    text, outline = ctx.source.text, ctx.outline
    for match in _ENDS.finditer(text):
        node = next((n for n in outline().tree.body if outline().span(n).start == match.start()), None)
        if node is not None:
            why = f"never reached: line {node.lineno} ends the program"
            yield Keeper(Span(outline().span(node).end, len(text)), why, runs=False)


def _imported_again(tried: ast.Try) -> bool:
    """Whether a handler imports what failed: ``except ImportError: install(); import tensorrt``."""
    names = {alias.name for node in tried.body if isinstance(node, ast.Import) for alias in node.names}
    again = (node for handler in tried.handlers for node in handler.body if isinstance(node, ast.Import))
    return any(alias.name in names for node in again for alias in node.names)


def _launches(ctx: Context) -> Iterator[Keeper]:
    """Functions that launch a kernel of this file: ``kernel[grid](...)``, or ``kernel(...)`` as TileLang has it."""
    text = ctx.source.text
    for site in ctx.sites:
        if _COMPILED.match(text, site.start) is None or not is_kernel(site, ctx):
            continue
        compiler, defined = site.name.partition(".")[0], _DEFINED.search(text, site.end)
        if defined is None:
            continue
        name, opened = defined[1], rb"\[" if compiler == "triton" else rb"[\[(]"
        for launch in re.finditer(rb"(?<![\w.])(?<!def )" + name + opened, text):
            what = f"`{name.decode()}`, which line {ctx.outline().line(launch.start())} launches, is a kernel"
            yield from _function(launch.start(), f"{what} of `{compiler}`: port both together", ctx)


def _derived(ctx: Context) -> Iterator[Keeper]:
    """Classes whose base is a package's for CUDA: ``class Calibrator(trt.IInt8Calibrator)``."""
    for site in ctx.sites:
        if site.role == "base" and is_kernel(site, ctx):
            home = next((n for n in reversed(ctx.outline().around(site.start)) if isinstance(n, ast.ClassDef)), None)
            if home is not None:
                yield Keeper(ctx.outline().span(home), f"`{home.name}` is a `{site.name}`, which needs CUDA")


def _registered(results: list[Judgement], ctx: Context) -> Iterator[Keeper]:
    """Functions that a decorator registers as an operator's kernel for CUDA: ``@register_kernel("ops::f", "cuda")``."""
    for result in results:
        if result.rule == "cuda-extension" and result.site.kind == "argument" and _stays(result):
            below = next((n for n in ctx.outline().around(result.site.start) if _decorated(n, result.site, ctx)), None)
            if below is not None:
                why = f"line {result.site.line} registers it for CUDA: port both together"
                yield Keeper(ctx.outline().span(below), why)


def _decorated(node: ast.AST, site: Site, ctx: Context) -> bool:
    """Whether a site stands in a decorator of a node."""
    return any(ctx.outline().span(decorator).holds(site.start) for decorator in getattr(node, "decorator_list", ()))


def _captures(results: list[Judgement], ctx: Context) -> Iterator[Keeper]:
    """Streams of a function that captures a CUDA graph, or says so by its name: the capture is what they are for."""
    for result in results:
        name = result.site.scope.rpartition(".")[2]
        if result.rule == "cuda-stream" and result.edited and _GRAPH.search(name):
            why = f"`{name}` is for a CUDA graph, which the stream serves: port both"
            yield Keeper(Span(result.site.start, result.site.end), why, rule="cuda-stream")
        if result.rule == "cuda-graph" and result.site.scope and _stays(result):
            function = ctx.outline().innermost(result.site.start)
            if function is not None:
                why = f"line {result.site.line} captures a CUDA graph, which the stream serves: port both"
                yield Keeper(ctx.outline().span(function), why, rule="cuda-stream")


def _served(ctx: Context) -> Iterator[Keeper]:
    """Blocks that choose a device for a kernel of the program alone: ``with torch.cuda.device(d): x_cuda.f()``."""
    for site in ctx.sites:
        if site.name != "torch.cuda.device" or site.parent != "With":
            continue
        block = ctx.outline().around(site.start)[-1]
        match block:
            case ast.With(body=[ast.Expr(value=ast.Call(func=func)) | ast.Assign(value=ast.Call(func=func))]):
                name = dotted(func)
                if name is not None and _KERNEL.search(name):
                    yield Keeper(ctx.outline().span(block), f"it serves `{name}` alone, which needs CUDA")


def _taken(results: list[Judgement], ctx: Context) -> Iterator[Keeper]:
    """Devices of tensors that nothing takes but kernels for CUDA."""
    for result in results:
        if result.edited and result.site.kind == "device" and (call := taker(result.site, ctx)) is not None:
            why = f"it goes with `{ast.unparse(call.func)}` in line {call.lineno}, which needs CUDA: port both together"
            yield Keeper(Span(result.site.start, result.site.end), why)


def _given(results: list[Judgement], ctx: Context) -> Iterator[Keeper]:
    """What a package for CUDA is given: arguments of its calls, and attributes of what they return."""
    outline = ctx.outline
    for site in (r.site for r in results if r.rule == "cuda-only-package" and r.site.role == "call" and _stays(r)):
        if site.call is None:
            continue
        why = f"it goes to `{site.name}()` in line {site.line}, which needs CUDA: port both together"
        yield Keeper(Span(site.end, site.call.end), why)
        made, home = (flag(site, ctx) or b"").decode(), outline().innermost(site.start) or outline().tree
        for node in ast.walk(home) if made else ():
            targets = node.targets if isinstance(node, ast.Assign) else ()
            if any(isinstance(t, ast.Attribute) and dotted(t.value) == made for t in targets):
                yield Keeper(outline().span(node), why)


def _function(place: int, why: str, ctx: Context) -> Iterator[Keeper]:
    """The function around a place, with decorators; all of an ``autograd.Function``: its passes share the kernel."""
    outline = ctx.outline()
    function = outline.function(place)
    if function is None:
        return
    classes = (node for node in outline.around(place) if isinstance(node, ast.ClassDef))
    whole = next((c for c in classes if any((dotted(b) or "").endswith("Function") for b in c.bases)), function)
    above = [outline.span(decorator).start for decorator in whole.decorator_list]
    yield Keeper(Span(min([*above, outline.span(whole).start]), outline.span(whole).end), why)


def _helpers(keepers: list[Keeper], ctx: Context) -> list[Keeper]:
    """Private functions and classes of the file that nothing uses but what is kept, and such helpers themselves.

    In a test nobody else is presumed to use any of them.
    """
    if not keepers:
        return []
    outline, alone = ctx.outline(), ctx.in_test()
    defined = (n for n in outline.tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef))
    private = {n.name: n for n in defined if alone or n.name.startswith("_")}
    named = [n for n in outline.nodes if isinstance(n, ast.Name) and n.id in private]
    uses = {name: [outline.span(n).start for n in named if n.id == name] for name in private}
    found: list[Keeper] = []
    while True:
        kept = [keeper.span for keeper in (*keepers, *found) if keeper.runs]
        fresh = [
            Keeper(outline.span(private.pop(name)), f"only what stays CUDA's calls `{name}`: port them together")
            for name, places in uses.items()
            if name in private and places and all(any(span.holds(place) for span in kept) for place in places)
        ]
        if not fresh:
            return found
        found += fresh


def _listed(ctx: Context) -> Iterator[Keeper]:
    """Functions that take the list of the GPUs apart which the process sees: what they count are GPUs."""
    for site in ctx.sites:
        if site.name.endswith("_VISIBLE_DEVICES") and site.scope and takes_apart(site, ctx):
            function = ctx.outline().function(site.start)
            if function is not None:
                yield Keeper(ctx.outline().span(function), f"line {site.line} takes a list of GPUs apart: port both")


def _mocked(results: list[Judgement], ctx: Context) -> Iterator[Keeper]:
    """Tests that put something in the place of CUDA: ``monkeypatch.setattr(torch.cuda, "device_count", ...)``."""
    edited = [r.site.start for r in results if r.edited]
    for match in _MOCK.finditer(ctx.source.text):
        function = ctx.outline().function(match.start())
        if function is not None and not any(match.start() <= place < match.end() for place in edited):
            why = f"line {ctx.outline().line(match.start())} puts something in the place of CUDA: port both"
            yield Keeper(ctx.outline().span(function), why)


def helpers_behind(test: Site, ctx: Context) -> Iterator[Span]:
    """What the decorator that a test stands in skips, or the mark that it makes, and what of the file that uses."""
    outline, mark = ctx.outline(), flag(test, ctx)
    skipped: list[ast.AST] = [n for n in outline.around(test.start) if outline.span(n).start > test.start][:1]
    if mark is not None:
        marked = (n for n in ast.walk(outline.tree) if isinstance(n, ast.FunctionDef | ast.ClassDef))
        skipped += [n for n in marked if any(dotted(d) == mark.decode() for d in n.decorator_list)]
        yield from map(outline.span, skipped)
    own = (n for n in outline.tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef) and n not in skipped)
    defined, pending = {n.name: n for n in own}, skipped
    while pending:
        names = {n.id for n in ast.walk(pending.pop()) if isinstance(n, ast.Name)} & defined.keys()
        for found in [defined.pop(name) for name in sorted(names)]:
            pending.append(found)
            yield outline.span(found)


def _keyed(ctx: Context) -> Iterator[Keeper]:
    """Classes and functions that file generators or their states under ``f"cuda:{index}"``: the name stays CUDA's."""
    for site in ctx.sites:
        if site.kind == "device" and site.name == "cuda:{}" and (site.use == "key" or site.parent == "Target"):
            outline = ctx.outline()
            around = outline.around(site.start)
            home = next((n for n in around if isinstance(n, ast.ClassDef | ast.FunctionDef)), None)
            if home is not None and _STATE.search(ast.unparse(home)):
                yield Keeper(outline.span(home), f"line {site.line} keeps a state as `cuda:` and a number: port both")


def _tests(results: list[Judgement], ctx: Context) -> Iterator[Keeper]:
    """Test functions that exercise what stays; all of a file that cannot be imported without it."""
    summary = ctx.project.summary(ctx.module)
    if built := sorted(ctx.project.noted.extensions.intersection(summary.required)) if summary is not None else None:
        why = f"a test of `{built[0]}`, which the repository builds from CUDA C++: port both together"
        yield Keeper(Span(0, len(ctx.source.text)), why)
    called = [r.site for r in results if r.rule in KERNELS and r.site.role == "call" and _stays(r)]
    called += [site for site in ctx.sites if is_own_kernel(site, ctx)]
    for site in called:
        if site.scope and all(guard.kind == "test" for guard in site.guards):
            name = site.name.rpartition(".")[2]
            yield from _function(site.start, f"a test of `{name}`, which stays CUDA's: port both together", ctx)
    places = {result.site.start: result.site for result in results if result.edited and result.site.scope}
    functions = {ctx.outline().function(place): site for place, site in places.items()}
    for function, site in functions.items():
        found = used(function, site.scope, ctx) if function is not None else None
        if function is not None and found is not None:
            why = f"a test of `{found.name}`, where `{found.needs}` needs CUDA: port both together"
            yield Keeper(ctx.outline().span(function), why)


def _gates(results: list[Judgement], ctx: Context) -> Iterator[Keeper]:
    """Tests whose decorators ask for CUDA, and go on doing so: ``@RunIf(min_cuda_gpus=1)``."""
    edited = [r.site.start for r in results if r.edited]
    outline = ctx.outline()
    kept = _made_of({flag(r.site, ctx) for r in results if not r.edited and r.rule in _ANSWERS}, ctx)
    for node in outline.nodes:
        for gate in getattr(node, "decorator_list", ()):
            span = outline.span(gate)
            named = {n.id.encode() for n in _loaded(gate)}
            asked = "CUDA" if named & kept else _asked(gate)
            if asked is None or any(span.holds(place) for place in edited) or _defined_here(gate, edited, ctx):
                continue
            why = f"the test runs only where line {gate.lineno} finds {asked}"
            yield Keeper(outline.span(node), why)
        for keyword in getattr(node, "keywords", ()) if isinstance(node, ast.Call) else ():
            if keyword.arg != "marks" or _asked(keyword.value) != "CUDA":
                continue
            if not any(outline.span(keyword.value).holds(place) for place in edited):
                yield Keeper(outline.span(node), f"the mark in line {keyword.value.lineno} asks for CUDA, and stays")


def _made_of(names: set[bytes | None], ctx: Context) -> set[bytes | None]:
    """Names, and those that the file makes of them: ``needs_gemm = pytest.mark.skipif(capability < (8, 0))``."""
    found = set(names)
    for node in ctx.outline().tree.body if names else ():
        if isinstance(node, ast.Assign) and any(n.id.encode() in found for n in _loaded(node.value)):
            found.update(target.id.encode() for target in node.targets if isinstance(target, ast.Name))
    return found


def _loaded(node: ast.expr) -> Iterator[ast.Name]:
    return (inner for inner in ast.walk(node) if isinstance(inner, ast.Name))


def _asked(gate: ast.expr) -> str | None:
    """What names or keywords of a decorator ask for, as people call it; values that a test is run with are none."""
    text = ast.unparse(gate)
    found = _ASKED.search(text) if ".parametrize(" not in text else None
    if found is None:
        return None
    return {"triton": "Triton", "flash": "flash attention"}.get(found.lastgroup or "", "CUDA")


def _defined_here(gate: ast.expr, edited: list[int], ctx: Context) -> bool:
    """Whether the gate is a name that this file gives to a condition which is edited."""
    target = gate.func if isinstance(gate, ast.Call) else gate
    if not isinstance(target, ast.Name):
        return False
    outline = ctx.outline()
    for statement in outline.tree.body:
        names = {t.id for t in getattr(statement, "targets", ()) if isinstance(t, ast.Name)}
        if target.id in names | {getattr(statement, "name", None)}:
            return any(outline.span(statement).holds(place) for place in edited)
    return False
