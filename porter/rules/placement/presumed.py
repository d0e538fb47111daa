"""What speaks for a tensor or a module where nothing says what a receiver of ``.cuda()`` is.

Few things have such a method, and of those only PyTorch's are indexed by axes, called, taken by PyTorch's functions, or
come out of a loader. Each is evidence for an edit that a person reads, and none where a class of the repository that
is no module has a method ``cuda``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import msgspec

from porter.index.outline import Span, dotted
from porter.index.site import Site
from porter.rules.base import Context
from porter.rules.placement.drawn import drawn, loader_of
from porter.rules.placement.flags import flag
from porter.rules.placement.reach import full_name

_BY_AXES = re.compile(r"\[(?=[^][]*(?:\bNone\b|\.\.\.|:[^][]*,|,[^][]*:))[-+*\w\s:,.]+\]$")
_PLAIN = frozenset(
    {"eval", "train", "half", "float", "bfloat16", "double", "long", "int", "bool", "byte", "detach", "clone", "cpu"}
)
_MAKING = frozenset({"torch.tensor", "torch.as_tensor", "torch.asarray", "torch.from_numpy"})  # of anything
_MADE = {"torch.Tensor": "tensor", "torch.nn.Module": "tensor or a module"}  # what is made, and of what
_SHAPING = frozenset({"view", "permute", "transpose", "reshape", "expand", "repeat", "squeeze", "unsqueeze"})
_HELD = frozenset({"load_state_dict", "state_dict", "named_modules", "requires_grad_", "backward", "numel", "size"})
_MODULES = frozenset({"cuda", "eval", "train"})  # methods of modules, of all that is called
_LOADED = "what has a `cuda()` and is read by `torch.load()` is a tensor or a module"
# Of a call, by its argument, or a part of what is asked for: `tokenizer(text, return_tensors="pt")["input_ids"]`.
_ASKED = re.compile(r"\breturn_tensors\s*=\s*[\"']pt[\"'][^()]*\)(?:\.\w+|\[[\"']\w+[\"']\])?\Z")
_BEHIND = re.compile(r"\.(\w+)\((\))?")
_MOVES = re.compile(
    rb"[ \t]*([\w.]+(?:\[[^][\n]*\])?)[ \t]*=[ \t]*\1"
    rb"(?:\.\w+\([^()\n]*\))*\.cuda\([^()\n]*\)(?:\.\w+\([^()\n]*\))*[ \t]*(?:#.*)?"
)
_RUN = 10  # lines above and below that are looked at for moves of a variable each
_NAMED = re.compile(r"\w+")
_VARIABLE = re.compile(r"[\w.]+(?:\[[^][\n]*\])?")
_MOVERS = frozenset({".cuda", "torch.Tensor.cuda"})

Mover = tuple[int, Site]  # with its number in the file


def presumed(site: Site, ctx: Context) -> str | None:
    """What speaks for PyTorch's in a call of ``.cuda`` on something unknown; None where nothing does."""
    if ctx.project.moves_otherwise():
        return None
    return _by_itself(site, ctx) or _by_place(site, ctx) or _by_others(site, ctx)


def presumed_tensor(site: Site, ctx: Context) -> str | None:
    """What speaks for a tensor in ``x.is_cuda`` of something unknown, by what else is done with it; None for nothing.

    Modules have no such attribute. Packed sequences have it, which have no size, nor a shape to change, nor the index
    of a device, and which no function of PyTorch reckons with. Storages have a size, and a device as tensors have.
    """
    name = ctx.text(site.receiver.start, site.receiver.end) if site.receiver is not None else ""
    if ctx.project.method_somewhere("is_cuda") or _VARIABLE.fullmatch(name) is None:
        return None
    uses = ctx.once(_uses, ctx.outline().home(name, site.start))
    placed = () if ctx.project.method_somewhere("get_device") else ("get_device",)
    if (shaped := _shaped(name, uses, *placed)) is not None:
        return f"what has `is_cuda` and {shaped} is a tensor"
    call = next(_takers(name, site, ctx, "torch.Tensor"), None)
    return f"what has `is_cuda` and is taken by `{dotted(call.func)}()` is a tensor" if call is not None else None


def is_on_device(name: str, site: Site, ctx: Context) -> bool:
    """Whether ``name.get_device()`` is a tensor's, or a storage's: it has `is_cuda`, or a size, as well."""
    holder = name.removesuffix(".data")
    if ctx.project.method_somewhere("get_device") or _VARIABLE.fullmatch(holder) is None:
        return False
    uses = ctx.once(_uses, ctx.outline().home(holder, site.start))
    return holder in uses.asked or _shaped(holder, uses) is not None


def _shaped(name: str, uses: _Uses, *others: str) -> str | None:
    """The call that asks what a name holds for its size, or changes its shape; or one of ``others``."""
    method = next((m for m in sorted({"size", *_SHAPING, *others}) if f"{name}.{m}" in uses.calls), None)
    return f"`{method}()`, called in line {uses.calls[f'{name}.{method}']}," if method is not None else None


def _by_itself(site: Site, ctx: Context) -> str | None:
    """What the call, its receiver or its result are used like; others ask it again."""
    return ctx.once(_evidence, site)


def _evidence(ctx: Context, site: Site) -> str | None:
    if site.call is None or site.receiver is None:
        return None
    if site.call.get("non_blocking") is not None:
        return "of what has a `cuda()`, tensors and modules take `non_blocking`"
    receiver = ctx.text(site.receiver.start, site.receiver.end)
    index = _BY_AXES.search(receiver)
    if index is not None:
        return f"of what has a `cuda()`, tensors are indexed by `{index[0]}`"
    if _ASKED.search(receiver):
        return 'what has a `cuda()` and is asked for by `return_tensors="pt"` is a tensor'
    moved = ast.parse(f"({receiver}\n)", mode="eval").body
    if isinstance(moved, ast.Compare | ast.BinOp | ast.UnaryOp):
        return "what has a `cuda()` and is reckoned is a tensor"
    if (method := _chained(moved, ctx.text(site.call.end, site.call.end + 20))) is not None:
        return f"what has `cuda()` and `{method}()` is a tensor or a module"
    if _origin(moved) in ctx.once(_answered, ctx.outline().innermost(site.start) or ctx.outline().tree):
        return 'what has a `cuda()` and comes of a call with `return_tensors="pt"` is a tensor'
    if isinstance(moved, ast.Call) and full_name(dotted(moved.func) or "", site.scope, ctx) == "torch.load":
        return _LOADED
    if (use := _use(site, receiver, ctx)) is not None:
        return use
    if (function := _taker(site, ctx)) is not None:
        return f"of what has a `cuda()`, `{function}()` takes tensors and modules"
    match _around(site, ctx)[-1:]:
        case [ast.BinOp(op=op) as whole] if not isinstance(op, ast.Mod) and not _is_text(whole):
            return "what has a `cuda()` and is reckoned with is a tensor"
    return None


def _is_text(node: ast.expr) -> bool:
    """Whether an expression is a text, or one that texts are joined to."""
    match node:
        case ast.Constant(str()) | ast.JoinedStr():
            return True
        case ast.BinOp(left, _, right):
            return _is_text(left) or _is_text(right)
    return False


def _origin(node: ast.expr) -> str:
    """The variable that an expression is a part of, or what such a variable yields in a loop."""
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    match node:
        case ast.Name(id=name):
            return name
        case ast.Call(func=ast.Attribute(value=inner, attr="items" | "values")):
            return _origin(inner)
    return ""


def _answered(ctx: Context, home: ast.AST) -> set[str]:
    """The variables that hold what a tokenizer or the like answers with tensors, or a part of it."""
    found: set[str] = set()
    for node in ast.walk(home):
        match node:
            case ast.Assign(targets=[target], value=value):
                asked = any(k.arg == "return_tensors" and _is_pt(k.value) for k in getattr(value, "keywords", ()))
            case ast.For(target=target, iter=value) | ast.comprehension(target=target, iter=value):
                asked = False
            case _:
                continue
        if asked or _origin(value) in found:
            found |= {n.id for n in ast.walk(target) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return found


def _is_pt(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == "pt"


def _chained(moved: ast.expr, behind: str) -> str | None:
    """The method that the receiver comes from, or that is called on the result."""
    match moved:
        case ast.Call(func=ast.Attribute(attr=name), args=args, keywords=keywords):
            if name in _SHAPING or (name in _PLAIN and not args and not keywords):
                return name
    found = _BEHIND.match(behind)
    known = found is not None and (found[1] in _SHAPING or (found[1] in _PLAIN and found[2] is not None))
    return found[1] if found is not None and known else None


def _use(site: Site, receiver: str, ctx: Context) -> str | None:
    """How what is moved is used elsewhere: it is called, ``build().cuda()(x)``, or one of its methods is."""
    assert site.call is not None
    if ctx.source.text.startswith(b"(", site.call.end):
        return "what has a `cuda()` and is called is a module"
    moved = (flag(site, ctx) or b"").decode() if _moved_as_a_whole(site, ctx) else receiver
    names = (name for name in dict.fromkeys((moved, receiver)) if _VARIABLE.fullmatch(name))
    return next((use for name in names if (use := _used(name, site, ctx)) is not None), None)


def _used(name: str, site: Site, ctx: Context) -> str | None:
    """How what a name holds is used: it is called, one of its methods is, or a function of PyTorch takes it."""
    uses = ctx.once(_uses, ctx.outline().home(name, site.start))
    calls = uses.calls
    if name in calls:
        return f"what has a `cuda()` and is called, as in line {calls[name]}, is a module"
    if made := sorted(maker[1:] for maker in uses.makers.get(name, ()) if maker[0] == "."):
        return f"what has a `cuda()` and is made by `{made[0]}()` is a tensor or a module"
    if any(full_name(maker, site.scope, ctx) == "torch.load" for maker in uses.makers.get(name, ())):
        return _LOADED
    if name in uses.shapes:
        return f"what has a `cuda()` and axes, as in line {uses.shapes[name]}, is a tensor"
    methods = [*sorted(_HELD | _SHAPING), *(f"{plain}()" for plain in sorted(_PLAIN))]
    found = next((method for method in methods if f"{name}.{method}" in calls), None)
    if found is None:
        return _taken(name, site, ctx)
    line = calls[f"{name}.{found}"]
    return f"what has `cuda()` and `{found.removesuffix('()')}()`, called in line {line}, is a tensor or a module"


def _taken(name: str, site: Site, ctx: Context) -> str | None:
    """A function of PyTorch or a module that takes what a name holds, and is none that makes a tensor of anything."""
    for made, what in _MADE.items():
        for call in _takers(name, site, ctx, made):
            return f"what has a `cuda()` and is taken by `{dotted(call.func)}()`, as in line {call.lineno}, is a {what}"
    for call in ctx.once(_uses, ctx.outline().home(name, site.start)).takers.get(name, ()):
        if (module := dotted(call.func)) is not None and _is_module(module, site, ctx):
            return f"of what has a `cuda()`, the module `{module}`, called in line {call.lineno}, takes tensors"
    return None


def _takers(name: str, site: Site, ctx: Context, made: str) -> Iterator[ast.Call]:
    """The calls of PyTorch's functions that take what a name holds, and make something of a class of it."""
    for call in ctx.once(_uses, ctx.outline().home(name, site.start)).takers.get(name, ()):
        function = full_name(dotted(call.func) or "", site.scope, ctx) or ""
        if function not in _MAKING and ctx.project.types.returns(function) == made:
            yield call


class _Uses(msgspec.Struct, frozen=True):
    """How a function, a class or a module uses its names."""

    calls: dict[str, int] = {}  # the first line where each is called, also without arguments: `name()`
    takers: dict[str, list[ast.Call]] = {}  # the calls that take it
    shapes: dict[str, int] = {}  # the first line where each one's shape is read, or it is indexed by axes
    methods: dict[str, set[str]] = {}  # those called on it
    makers: dict[str, set[str]] = {}  # what is called to make it
    asked: set[str] = set()  # those that are asked whether they are on CUDA


def _uses(ctx: Context, home: ast.AST) -> _Uses:
    uses = _Uses()
    for node in ast.walk(home):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Subscript() as inner, attr=name)):  # layers[i].cpu()
                _enter(node, f"{ast.unparse(inner)}.{name}", uses)
            case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Attribute(value=inner, attr="cuda")), attr=name)):
                _enter(node, f"{dotted(inner)}.{name}", uses)  # model.cuda().eval()
            case ast.Call(func=function):
                _enter(node, dotted(function), uses)
            case ast.Attribute(value=inner, attr="shape" | "ndim", ctx=ast.Load()):
                uses.shapes.setdefault(dotted(inner) or "", node.lineno)
            case ast.Attribute(value=inner, attr="is_cuda"):
                uses.asked.add(dotted(inner) or "")
            case ast.Subscript(value=inner, slice=ast.Tuple(elts=[*axes])) if any(map(_is_axis, axes)):
                uses.shapes.setdefault(dotted(inner) or "", node.lineno)
            case ast.Assign(targets=[target], value=ast.Call(func=function) as value):
                method = _chained(value, "")  # squeeze of load(path).squeeze()
                if (maker := dotted(function) or (method and f".{method}")) is not None:
                    uses.makers.setdefault(dotted(target) or "", set()).add(maker)
    return uses


def _is_axis(index: ast.expr) -> bool:
    """Whether an index among others is of an axis: a slice, ``None`` or ``...``."""
    return isinstance(index, ast.Slice) or (isinstance(index, ast.Constant) and index.value in (None, ...))


def _enter(call: ast.Call, name: str | None, uses: _Uses) -> None:
    for key in (name, f"{name}()")[: 1 if call.args or call.keywords else 2] if name is not None else ():
        uses.calls[key] = min(call.lineno, uses.calls.get(key, call.lineno))
    if isinstance(call.func, ast.Attribute):
        uses.methods.setdefault(dotted(call.func.value) or "", set()).add(call.func.attr)
    for taken in {dotted(argument) or "" for argument in call.args}:
        uses.takers.setdefault(taken, []).append(call)


def _moved_as_a_whole(site: Site, ctx: Context) -> bool:
    """Whether the call is all that its statement assigns."""
    assert site.call is not None
    match ctx.outline().around(site.start)[-1:]:
        case [ast.Assign(value=ast.Call() as value)]:
            return ctx.outline().span(value) == Span(site.call.start, site.call.end)
    return False


def _taker(site: Site, ctx: Context) -> str | None:
    """The function or class of PyTorch, or the module, that takes what is moved, by itself or in a list."""
    around = _around(site, ctx)
    while around and isinstance(around[-1], ast.List | ast.Tuple):
        around.pop()
    match around[-1:]:
        case [ast.Call(func=func)] if (name := dotted(func)) is not None:
            found = full_name(name, site.scope, ctx) or ""
            return name if found.startswith("torch.") or _is_module(name, site, ctx) else None
    return None


def _around(site: Site, ctx: Context) -> list[ast.expr]:
    """The expressions that the call is a part of, outermost first."""
    assert site.call is not None
    around = ctx.outline().expressions(site.start, site.call.end)
    own = next((i for i, n in enumerate(around) if ctx.outline().span(n) == Span(site.call.start, site.call.end)), 0)
    return around[:own]


def _is_module(name: str, site: Site, ctx: Context) -> bool:
    """Whether a name that is called holds a module of PyTorch: by how it is made, or by its methods."""
    uses = ctx.once(_uses, ctx.outline().home(name, site.start))
    methods, makers = uses.methods.get(name, set()), uses.makers.get(name, set())
    told = any(method in _MODULES or ctx.project.types.tells(method) == "torch.nn.Module" for method in methods)
    return told or any((full_name(maker, site.scope, ctx) or "").startswith("torch.nn.") for maker in makers)


def _by_place(site: Site, ctx: Context) -> str | None:
    """What lies in the same dictionary, or is put where another line puts what it moves."""
    own = ctx.once(_places, site)
    tellers = (ctx.once(_teller, site.scope, ("place", place)) for place in own)
    first = min(filter(None, tellers), default=None)
    if first is None:
        return None
    shared = next(place for place in ctx.once(_places, first[1]) if place in own)
    return f"it shares `{shared}` with what line {first[1].line} moves, {_what(first[1])}"


def _places(ctx: Context, site: Site) -> tuple[str, ...]:
    """The dictionary that a receiver lies in, by a name, and what the result of the call is assigned to."""
    return tuple(_shared(site, ctx))


def _shared(site: Site, ctx: Context) -> Iterator[str]:
    if site.call is None or site.receiver is None:
        return
    match ast.parse(f"({ctx.text(site.receiver.start, site.receiver.end)}\n)", mode="eval").body:
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(str())):
            yield name
    match ctx.outline().around(site.start)[-1:]:
        case [ast.Assign(targets=[target], value=value)] if not isinstance(target, ast.Tuple):
            while isinstance(value, ast.Call) and ctx.outline().span(value).end > site.call.end:
                value = value.func.value if isinstance(value.func, ast.Attribute) else value.func
            if ctx.outline().span(value) == Span(site.call.start, site.call.end):
                yield ast.unparse(target)


def _by_others(site: Site, ctx: Context) -> str | None:
    """What is moved beside it, or where it comes from."""
    if site.receiver is None:
        return None
    home = ctx.outline().innermost(site.start) or ctx.outline().tree
    receiver = ctx.text(site.receiver.start, site.receiver.end)
    if (told := _by_movers(site, receiver, home, ctx)) is not None:
        return told
    root = ast.parse(f"({receiver}\n)", mode="eval").body
    while isinstance(root, ast.Subscript | ast.Attribute):
        root = root.value
    loader = loader_of(root, home) if isinstance(root, ast.Name) else None
    return f"of what comes out of `{loader}`, tensors have a `cuda()`" if loader is not None else None


def _by_movers(site: Site, receiver: str, home: ast.AST, ctx: Context) -> str | None:
    """What is moved within the same expression, in the same run of lines, or unpacked with it: the first that tells."""
    own, run, movers = _root(site, ctx), _beside(site, ctx), ctx.once(_movers, site.scope)
    within = _around(site, ctx)[-1:] if site.call is not None and _VARIABLE.fullmatch(receiver) else []
    alike = movers.get(("statement", site.statement), ()) if within else ()
    joined = [m for m in alike if m[1].call is not None and _around(m[1], ctx)[-1:] == within]
    beside = [mover for line in run for mover in movers.get(("line", line), ())]
    names = {name for target, _ in drawn(home).get(own, ()) for name in target} - {own}
    unpacked = filter(None, (ctx.once(_teller, site.scope, ("root", name)) for name in names))
    telling = (m for m in (*joined, *beside, *unpacked) if m[1].start != site.start and _tells(m[1], ctx))
    first = min(telling, default=None)
    if first is None:
        return None
    name, it, what = _root(first[1], ctx), f"line {first[1].line}", _what(first[1])
    if first in joined:
        return f"`{name}`, which is moved beside it, is {what}"
    return f"{it} beside it moves {what}" if first in beside else f"it is unpacked with `{name}`, and {it} moves {what}"


def _movers(ctx: Context, scope: str) -> dict[tuple[str, object], list[Mover]]:
    """The calls of ``.cuda()`` in a scope on what is a tensor or unknown, by what several may have in common."""
    found: dict[tuple[str, object], list[Mover]] = {}
    for number, site in enumerate(ctx.where("scope", scope)):
        if site.name in _MOVERS and site.receiver is not None:
            places = [("place", place) for place in ctx.once(_places, site)]
            for key in ("line", site.line), ("statement", site.statement), ("root", _root(site, ctx)), *places:
                found.setdefault(key, []).append((number, site))
    return found


def _teller(ctx: Context, scope: str, shared: tuple[str, object]) -> Mover | None:
    """The first of the calls with something in common that tells what it moves."""
    return next((mover for mover in ctx.once(_movers, scope).get(shared, ()) if _tells(mover[1], ctx)), None)


def _tells(mover: Site, ctx: Context) -> bool:
    return mover.name == "torch.Tensor.cuda" or _by_itself(mover, ctx) is not None


def _what(mover: Site) -> str:
    return "a tensor" if mover.name == "torch.Tensor.cuda" else "a tensor or a module"


def _beside(site: Site, ctx: Context) -> range:
    """The lines around a site that do nothing, with its own, but move a variable each: ``x = x.cuda()``."""
    first, behind = max(site.line - 1 - _RUN, 0), site.line + _RUN
    start, *_ = starts = ctx.source.line_starts[first : behind + 1]
    moves = ctx.source.text[start : starts[-1] if len(starts) > behind - first else None].splitlines()
    own = min(site.line - 1, _RUN)
    alike = [_MOVES.fullmatch(line) is not None and _indent(line) == _indent(moves[own]) for line in moves]
    above = next((i for i in range(own, -1, -1) if not alike[i]), -1)
    below = next((i for i in range(own, len(moves)) if not alike[i]), len(moves))
    return range(site.line + above + 1 - own, site.line + below - own)


def _indent(line: bytes) -> int:
    return len(line) - len(line.lstrip())


def _root(site: Site, ctx: Context) -> str:
    """The variable that a receiver is, or is a part of."""
    assert site.receiver is not None
    found = _NAMED.match(ctx.text(site.receiver.start, site.receiver.end))
    return found[0] if found is not None else ""
