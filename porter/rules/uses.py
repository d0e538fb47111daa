"""What a site is to the code around it: a name that others use, a type, an argument of a question by class."""

from __future__ import annotations

import ast
import re
from bisect import bisect_right
from collections.abc import Iterator

from porter.catalog.schema import Row
from porter.index.outline import dotted
from porter.index.site import Call, Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Judgement
from porter.rules.table import judge_by_row, judgement

_CLASS_TEST = re.compile(rb"\bis(?:instance|subclass)\((?:[^()]|\([^()]*\))*,\s*\(?[^()]*\Z")
_READ = re.compile(rb"(?:(?:\.get\(|\[)\s*[\"'](?P<key>[^\"']*)[\"']|\.(?P<attribute>(?!get\()\w+))")
_BOUND = re.compile(rb"([\w.]+)\s*(?::[^=\n]*)?=\s*\Z")
_ASKED = re.compile(rb"\s*,\s*[\"'](\w+)[\"']\s*\)")  # of a module, by its name: `hasattr(torch.cuda, "Stream")`
_TORCH = re.compile(r"(?:torch|nn|F)\.")
_ROOT = re.compile(rb"\w+")
_DEF = re.compile(rb"^[ \t]*(?:async\s+)?def\b", re.M)
_NEXT = re.compile(rb"(?:async|def|class)\b|@")
TESTS = frozenset({"Compare", "BoolOp", "UnaryOp", "test"})  # where what a condition asks for stands
_ASKS_WHETHER_THERE = re.compile(
    rb"(?:flash|xformers|apex|bnb|bitsandbytes|fused)\w*avail|has_(?:flash|xf|apex|bnb)", re.I
)
HANDLES = (".cuda_stream", ".ipc_handle")  # of streams and events, for libraries that take them raw
_ASSIGNED = ("Assign", "AnnAssign")
_TYPES = frozenset({"Union", "Optional", "Type", "type", "Callable"})  # of what is named in brackets
_DEVICE = re.compile(r"device(?!s\b|_map)|cuda|\.to\((?!dtype)", re.I)
SHOWING = frozenset({"print", "str", "repr", "format", "write", "log", "debug", "info", "warning"})
_WINDOW = 200  # bytes before a site that are looked at


def judge_use(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the row, but for what names a thing and does nothing with it: CPU builds of torch have the names too."""
    if through_choice(site, ctx):
        return Dismissed(site, "part")
    if site.role == "annotation":
        return Dismissed(site, "agnostic")
    if _is_in_type(site, ctx):
        advice = "left as it is: it is part of a type, which only annotations use"
        return judgement(site, row, ctx, verdict=Verdict.PORTABLE, advice=advice, note=None)
    return judge_by_row(site, row, ctx)


def handle_beside(site: Site, ctx: Context) -> Site | None:
    """The raw handle that another library is given in the function around a site, or of a stream that it hands on."""
    home = ctx.outline().innermost(site.start) if site.role == "call" and ctx.once(handles_of) else None
    return ctx.once(_handle_in, home) if home is not None else None


def handles_of(ctx: Context) -> list[Site]:
    """The raw handles of the file."""
    return [site for site in ctx.sites if site.name.endswith(HANDLES)]


def _handle_in(ctx: Context, home: ast.AST) -> Site | None:
    inside = [s for s in ctx.sites if ctx.outline().innermost(s.start) is home]
    given = {a.place for s in inside if s.call is not None for a in s.call.arguments}
    for handle in ctx.once(handles_of):
        place = handle.receiver.place if handle.receiver is not None else None
        attribute = f"k:{place.rpartition('.')[2]}" if place is not None and place.startswith("a:") else place
        if handle in inside or (place is not None and not given.isdisjoint((place, attribute))):
            return handle
    return None


def _is_in_type(site: Site, ctx: Context) -> bool:
    """Whether the site names a member of a type that only annotations use: ``Profiler = Union[profile, emit_nvtx]``."""
    if site.call is not None or site.scope or site.statement is None or site.statement.kind not in _ASSIGNED:
        return False
    outline = ctx.outline()
    match outline.around(site.start)[-1:]:
        case [ast.Assign([ast.Name(id=name)], value) | ast.AnnAssign(ast.Name(id=name), _, ast.expr() as value)]:
            generic = dotted(value.value) if isinstance(value, ast.Subscript) else None
        case _:
            return False
    joined = isinstance(value, ast.BinOp) and isinstance(value.op, ast.BitOr)
    if not joined and (generic or "").rpartition(".")[2] not in _TYPES:
        return False
    types = (t for n in outline.nodes for t in (getattr(n, "annotation", None), getattr(n, "returns", None)))
    annotated = {id(inner) for t in types if isinstance(t, ast.expr) for inner in ast.walk(t)}
    uses = [n for n in outline.nodes if isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load)]
    return all(id(use) in annotated for use in uses)


def has_uses(site: Site, ctx: Context) -> bool:
    """Whether the site imports a part of torch whose uses in this file are sites of their own."""
    if site.role != "import" or not site.name.startswith("torch."):
        return False
    return any(other.role != "import" for other in ctx.where("alias", site.start))


def may_be_missing(site: Site, ctx: Context) -> bool:
    """Whether what the site names is imported where the import may fail: the program can do without it."""
    root = site.name.partition(".")[0]
    imports = (s for s in (site, *ctx.where("role", "import")) if s.role == "import")  # the site may be another file's
    brought = [s for s in imports if s.name.partition(".")[0] == root]
    mine = [s for s in brought if s.start == site.alias] or brought
    missing = any(guard.kind in ("import", "fallback") for s in mine for guard in s.guards)
    return missing or asked_whether_there(site, ctx)


def stand_in(site: Site, ctx: Context) -> int | None:
    """The line where a handler gives the name that a site uses to something else, if the import of it has failed."""
    outline, name = ctx.outline(), _ROOT.match(ctx.source.text, site.start)
    tried = outline.parent(site.alias) if site.alias is not None and site.role != "import" else None
    if not isinstance(tried, ast.Try) or name is None:
        return None
    handled = (node for handler in tried.handlers for node in handler.body)
    return next((node.lineno for node in handled if name[0].decode() in _provided(node)), None)


def _provided(node: ast.stmt) -> Iterator[str]:
    """The names that a statement gives to something that computes without a package: PyTorch's, or the program's."""
    match node:
        case ast.ClassDef(name) | ast.FunctionDef(name) if not any(isinstance(n, ast.Raise) for n in ast.walk(node)):
            yield name
        case ast.ImportFrom(module, names, level) if level or (module or "").startswith("torch."):
            yield from (alias.asname or alias.name for alias in names)
        case ast.Assign([ast.Name(name)], ast.Attribute() as value) if _TORCH.match(ast.unparse(value)):
            yield name


def asked_whether_there(site: Site, ctx: Context) -> bool:
    """Whether a branch around the site asks whether a package is there: ``if has_apex:``."""
    return any(_ASKS_WHETHER_THERE.search(test) for test in tests_around(site, ctx))


def tests_around(site: Site, ctx: Context) -> Iterator[bytes]:
    """The conditions of the branches that a site stands in."""
    outline, text = ctx.outline(), ctx.source.text
    for node in outline.around(site.start):
        if isinstance(node, ast.If) and site.start > outline.span(node.test).end:
            span = outline.span(node.test)
            yield text[span.start : span.end]


def through_choice(site: Site, ctx: Context) -> bool:
    """Whether the site goes through a name that is given ``torch.cuda`` or another vendor's module: `device_module`."""
    if site.alias is None:
        return False
    chosen = next((s for s in ctx.where("start", site.alias) if s.role != "import"), None)
    return chosen is not None and any(guard.kind in ("vendors", "handled") for guard in chosen.guards)


def beside(site: Site, ctx: Context) -> Site | None:
    """What needs CUDA in the condition that the site is a part of, and is left to people."""
    if site.parent != "BoolOp" or site.statement is None:
        return None

    def needs_cuda(other: Site) -> bool:
        asked = _ASKED.match(ctx.source.text, other.end) if other.name == "torch.cuda" else None
        name = other.name if asked is None else f"{other.name}.{asked[1].decode()}"
        row = ctx.catalogue.find(other.kind, name) if ".cuda" in name else None
        return row is not None and ctx.answer(row).verdict in (Verdict.MANUAL, Verdict.BLOCKED)

    alike = (s for s in ctx.sites if s.statement is not None and s.statement.start == site.statement.start)
    return next((s for s in alike if s.kind == "symbol" and s is not site and needs_cuda(s)), None)


def asks_class(site: Site, ctx: Context) -> bool:
    """Whether the site is a class that ``isinstance`` or ``issubclass`` asks for."""
    return _CLASS_TEST.search(before(site, ctx)) is not None


def is_asked_for(site: Site, ctx: Context) -> bool:
    """Whether the site only asks what something is: ``FusedAdam is None``, ``isinstance(x, FusedAdam)``."""
    named = site.kind == "symbol" and site.call is None
    return named and (site.parent in TESTS or site.role == "annotation" or asks_class(site, ctx))


def is_shown(site: Site, ctx: Context) -> bool:
    """Whether a value goes no further than into text or a table: ``print(torch.version.cuda)``."""
    if site.parent == "FormattedValue":
        return True
    match ctx.outline().expressions(site.start, site.end if site.call is None else site.call.end)[-2:]:
        case [ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)), _]:
            return name in SHOWING
        case [ast.Dict(values=values), own]:
            return own in values
        case [ast.BinOp(left=ast.Constant(value=str()), op=ast.Mod()), _]:
            return True
    return False


def stands_with(word: str, site: Site, ctx: Context) -> bool:
    """Whether the list, the set or the keys that the site is one of have ``word`` as well."""
    match ctx.outline().expressions(site.start, site.end)[-2:]:
        case [ast.List(elts=words) | ast.Set(elts=words) | ast.Tuple(elts=words) | ast.Dict(keys=words), own]:
            return own in words and any(isinstance(w, ast.Constant) and w.value == word for w in words)
    return False


def is_cpu_test(site: Site, ctx: Context) -> bool:
    """Whether the site stands in a function of a test that speaks of no device: it runs on the CPU."""
    function = ctx.outline().function(site.start) if ctx.in_test() else None
    return function is not None and _DEVICE.search(ast.unparse(function)) is None


def before(site: Site, ctx: Context) -> bytes:
    """The text in front of a site, as far as rules look back."""
    return ctx.source.text[max(0, site.start - _WINDOW) : site.start]


def reads(site: Site, call: Call, ctx: Context) -> set[str]:
    """The attributes and keys that are read from what a call returns: at once, or through the name it is given."""
    text = ctx.source.text
    found = [m for m in (_READ.match(text, call.end),) if m is not None]
    bound = _BOUND.search(text, max(0, call.start - _WINDOW), call.start) if site.place is not None else None
    if bound is not None:
        known = text if b"." in bound[1] else function_around(site, ctx)  # another function's `p` is another thing
        found += re.compile(rb"(?<![\w.])" + re.escape(bound[1]) + _READ.pattern).finditer(known)
    return {(m["attribute"] or m["key"]).decode() for m in found}


def rest_of_function(site: Site, ctx: Context) -> bytes:
    """The text from behind the site's statement to the end of the function around it."""
    return ctx.source.text[_behind(site) : _end_of_function(site, ctx)]


def function_around(site: Site, ctx: Context) -> bytes:
    """The text of the function around the site, from its ``def``; of the whole file at module level."""
    above = bisect_right(ctx.once(_defs), (site.start,)) - 1 if site.scope else -1
    start = ctx.once(_defs)[above][1] if above >= 0 else 0
    return ctx.once(_between, start, _end_of_function(site, ctx))


def _behind(site: Site) -> int:
    return site.statement.end if site.statement is not None else site.end


def _between(ctx: Context, start: int, end: int) -> bytes:
    return ctx.source.text[start:end]


def _defs(ctx: Context) -> list[tuple[int, int]]:
    """The functions of the file in order, each by the end of the word and the start of the line."""
    return [(found.end(), found.start()) for found in _DEF.finditer(ctx.source.text)]


def _end_of_function(site: Site, ctx: Context) -> int:
    """Where the function around a site ends: above the next line that is less deep and defines something, or at it."""
    edges, text = ctx.once(_edges), ctx.source.text
    line = text[text.rfind(b"\n", 0, site.start) + 1 : site.start]
    indent = len(line) - len(line.lstrip())
    for i in range(bisect_right(edges, (_behind(site) + 1,)) if indent else len(edges), len(edges)):
        start, depth, defines = edges[i]
        if depth < indent and (defines or site.scope):
            return start - 1
    return len(text)


def _edges(ctx: Context) -> list[tuple[int, int, bool]]:
    """The lines that may be the first behind a function: where each starts, how deep, and whether it defines more."""
    found, start = [], 0
    for line in ctx.source.text.split(b"\n"):
        stripped = line.lstrip()
        depth = len(line) - len(stripped)
        defines = _NEXT.match(stripped) is not None
        if stripped and (defines or not depth):
            found.append((start, depth, defines))
        start += len(line) + 1
    return found
