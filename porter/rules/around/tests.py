"""What tests are of: code that stays CUDA's, gates that ask for CUDA, and what stands in its place."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from porter.index.outline import Function, Span, dotted
from porter.index.site import Site
from porter.rules.around.keeper import Keeper, decorated, stays, whole_function
from porter.rules.base import Context, Judgement
from porter.rules.by_name import ARM
from porter.rules.kernels.known import KERNELS, is_own_kernel
from porter.rules.placement.flags import flag, statement_of
from porter.rules.placement.reach import full_name, used

_ANSWERS = frozenset({"cuda-availability", "cuda-device-properties"})  # what marks of tests are made of
_MOCK = re.compile(rb"\b(?:setattr|patch(?:\.object)?)\(\s*[\"']?[\w.]*\btorch\.cuda\b")
_ASSERTED = frozenset({"cuda-tensor-test", "cuda-device-comparison", "hardcoded-cuda-device", "numbered-cuda-device"})
_ASSERTION = re.compile(rb"(?s)(?:assert\b|[\w.]+\.assert[A-Z]).*\.(?:is_cuda|device)\b")
_PROPERTIES = "torch.cuda.get_device_properties"
_THERE = frozenset({"torch.cuda.is_available", "torch.cuda.device_count", _PROPERTIES})
_WAYS = frozenset({"import", "cuda", "after"})  # guards of what a gate asks: by what it asks itself, or has imported
_UNTOLD = re.compile(rb"\.(?:major|minor|multi_processor_count|warp_size|shared_memory_per_\w+|gcnArchName|uuid)\b")
_FOR = "line {} says that the test is for {}: port it first"
_ASKED = re.compile(r"cuda|gpu|(?P<triton>triton)(?!\.)|(?P<flash>flash_?att)", re.IGNORECASE)


def exercising(results: list[Judgement], ctx: Context) -> Iterator[Keeper]:
    """Test functions that exercise what stays; all of a file that cannot be imported without it."""
    summary = ctx.project.summary(ctx.module)
    if built := sorted(ctx.project.noted.extensions.intersection(summary.required)) if summary is not None else None:
        why = f"a test of `{built[0]}`, which the repository builds from CUDA C++: port both together"
        yield Keeper(Span(0, len(ctx.source.text)), why)
    called = [r.site for r in results if r.rule in KERNELS and r.site.role == "call" and stays(r)]
    called += [site for site in ctx.sites if is_own_kernel(site, ctx)]
    for site in called:
        if site.scope and all(guard.kind == "test" for guard in site.guards):
            name = site.name.rpartition(".")[2]
            yield from whole_function(site.start, f"a test of `{name}`, which stays CUDA's: port both together", ctx)
    functions = {ctx.outline().function(r.site.start): r.site for r in results if r.edited}  # of decorators as well
    held: set[str] = set()
    for function, site in functions.items():
        found = ctx.once(used, function, site.scope) if function is not None else None
        if function is not None and found is not None:
            held.add(function.name)
            why = f"it uses `{found.name}`, {found.where}: port both together"
            yield Keeper(decorated(function, ctx), why)
    yield from _handing(held, ctx)


def _handing(held: set[str], ctx: Context) -> Iterator[Keeper]:
    """The functions that hand something to a helper of the file that stays, one of ``held``, or to such a function.

    The helper computes with it where it has its own: what is moved elsewhere is no use to it.
    """
    outline = ctx.outline()
    held = held & {node.name for node in outline.tree.body if isinstance(node, Function)}
    left = [n for n in outline.nodes if isinstance(n, Function) and n.name not in held] if held else []
    while held:
        calls = {f: [n for n in outline.all_of(f, ast.Call) if n.args or n.keywords] for f in left}
        found = {f: next((n for c in calls[f] if (n := dotted(c.func)) in held), None) for f in left}
        for function, helper in found.items():
            if helper is not None:
                why = f"it hands something to `{helper}()`, which stays CUDA's: port both together"
                yield Keeper(decorated(function, ctx), why)
        held, left = {f.name for f, helper in found.items() if helper}, [f for f in left if not found[f]]


def gated(results: list[Judgement], ctx: Context) -> Iterator[Keeper]:
    """Tests whose decorators ask for CUDA, and go on doing so: ``@RunIf(min_cuda_gpus=1)``."""
    edited = [r.site.start for r in results if r.edited]
    left = [r.site.start for r in results if stays(r)]
    outline = ctx.outline()
    kept = _made_of({flag(r.site, ctx) for r in results if not r.edited and r.rule in _ANSWERS}, ctx)
    for node in outline.nodes:
        decorators: list[ast.expr] = getattr(node, "decorator_list", [])
        open_to = [gate for gate in decorators if _follows(gate, edited, ctx)]
        for gate in decorators:
            made_of = {n.id.encode() for n in _loaded(gate)} & kept
            asked = "CUDA" if made_of else _asked(gate)
            if asked is None or gate in open_to or (open_to and (dotted(gate) or "").startswith("pytest.mark.")):
                continue  # a label beside a gate chooses among tests: it looks for nothing
            line = gate.lineno
            why = f"the test runs only where line {line} finds CUDA" if made_of else _FOR.format(line, asked)
            own = outline.span(gate)  # which has reasons of its own to stay, if not what stands behind it
            first = not any(own.holds(r.site.start) for r in results)
            for start, end in ((outline.span(decorators[0]).start, own.start), (own.end, outline.span(node).end)):
                yield Keeper(Span(start, end), why, first=first)
        if isinstance(node, ast.Call):
            yield from _with_marks(node, left, edited, ctx)


def _with_marks(node: ast.Call, left: list[int], edited: list[int], ctx: Context) -> Iterator[Keeper]:
    """Values of a test and marks that go with them: ``pytest.param("cuda", marks=pytest.mark.skipif(...))``."""
    span = ctx.outline().span
    for marks in [keyword.value for keyword in node.keywords if keyword.arg == "marks"]:
        value = next((place for place in left if any(span(given).holds(place) for given in node.args)), None)
        if value is not None:
            why = f"line {ctx.outline().line(value)} has the value that it is for, which stays: port both together"
            yield Keeper(span(marks), why)
        elif _asked(marks) == "CUDA" and not any(span(marks).holds(place) for place in edited):
            yield Keeper(span(node), f"the mark in line {marks.lineno} asks for CUDA, and stays")


def asserted(results: list[Judgement], ctx: Context) -> Iterator[Keeper]:
    """Tests that assert CUDA's device by what stays, or move something by a ``cuda()`` of the repository's own."""
    for result in results:
        if result.rule in _ASSERTED and stays(result) and _asserts(result.site, ctx):
            why = f"line {result.site.line} asserts that the device is CUDA's, and stays: port both together"
            yield from whole_function(result.site.start, why, ctx)
    for site in ctx.sites:
        if site.kind == "own" and site.role == "call" and site.name.endswith(".cuda") and site.receiver is not None:
            why = f"line {site.line} calls a `cuda()` of the repository's own: port both together"
            yield from whole_function(site.start, why, ctx)


def mocked(results: list[Judgement], ctx: Context) -> Iterator[Keeper]:
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
        skipped += ctx.once(_marked).get(mark.decode(), ())
        yield from map(outline.span, skipped)
    defined, seen = ctx.once(_defined), set(skipped)
    while skipped:
        names = {n.id for n in outline.all_of(skipped.pop(), ast.Name)} & defined.keys()
        for found in [defined[name] for name in sorted(names) if defined[name] not in seen]:
            seen.add(found)
            skipped.append(found)
            yield outline.span(found)


def _marked(ctx: Context) -> dict[str | None, list[ast.AST]]:
    """The functions and classes of the file by the names that decorate them."""
    found: dict[str | None, list[ast.AST]] = {}
    for node in ctx.outline().nodes:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            for name in {dotted(decorator) for decorator in node.decorator_list}:
                found.setdefault(name, []).append(node)
    return found


def _defined(ctx: Context) -> dict[str, ast.AST]:
    """The functions and classes that the file defines for all of it, by their names."""
    return {n.name: n for n in ctx.outline().tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}


def _asserts(site: Site, ctx: Context) -> bool:
    """Whether a site is a part of what a device is asserted to be: ``assert x.is_cuda``."""
    return _ASSERTION.match(statement_of(site, ctx)) is not None


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


def _follows(gate: ast.expr, edited: list[int], ctx: Context) -> bool:
    """Whether the gate is edited, or made of what is: then it lets Neuron in."""
    span = ctx.outline().span(gate)
    return any(span.holds(place) for place in edited) or _defined_here(gate, edited, ctx) or _ported(gate, ctx)


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


def _ported(gate: ast.expr, ctx: Context) -> bool:
    """Whether all that the gate asks by is of other files, and lets Neuron in once they are ported."""
    names = _asking(gate)
    return bool(names) and all(_lets_in(name, ctx) for name in names)


def _asking(gate: ast.expr) -> list[str]:
    """What a gate asks by: its own name, or what the condition of a mark calls: ``skipif(gpus() < 2)``."""
    if not isinstance(gate, ast.Call) or dotted(gate.func) != "pytest.mark.skipif":
        name = dotted(gate.func if isinstance(gate, ast.Call) else gate)
        return [name] if name is not None else []
    calls = [node for part in gate.args for node in ast.walk(part) if isinstance(node, ast.Call)]
    names = [name for call in calls if (name := dotted(call.func)) is not None]
    read = {node.id for part in gate.args for node in _loaded(part)}
    return names if read <= {name.partition(".")[0] for name in names} else []


def _lets_in(name: str, ctx: Context) -> bool:
    """Whether a name is of another file, and asks whether a device is there, and nothing else of CUDA.

    A function that asks nothing has its answer from its file: ``CUDA = torch.cuda.is_available()``.
    """
    found = full_name(name, "", ctx)
    qualified = ctx.project.resolve(found, ctx.module) if found is not None else ""
    module = ctx.project.owner(qualified)
    if module in ("", ctx.module):
        return False
    sites = [s for s in ctx.project.sites(module) if s.role not in ("text", "import")]
    sites = [s for s in sites if not s.name.startswith(f"{qualified}.")]  # what it wraps a test in asks nothing
    within = qualified[len(module) + 1 :]
    asked = [s for s in sites if s.place == f"g:{qualified}"]  # a mark
    if not asked and ARM.search(within):
        return False
    asked = asked or [s for s in sites if within and s.inside(within)]
    asked = asked or [s for s in sites if not s.scope]
    if any(s.name == _PROPERTIES for s in asked):
        text = ctx.project.contents(ctx.project.path(module))
        function = re.search(rb"(?ms)^def %b\(.*?(?=^[^\s)#]|\Z)" % re.escape(within.encode()), text)
        if _UNTOLD.search(function.group() if function is not None else text):
            return False
    ways = (guard.kind in _WAYS for site in asked for guard in site.guards)
    return bool(asked) and all(ways) and all(s.name in _THERE and s.role == "call" for s in asked)
