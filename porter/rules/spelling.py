"""How the target writes a device where CUDA's stands: a literal, a name that the file defines, or a call."""

from __future__ import annotations

import ast
import re

from porter.index.site import Site
from porter.rules.base import Context, Edits, named, needing

_NAME = re.compile(r"(?<![\w.\"'])(torch(?:_xla)?(?:\.\w+)*)")
# A literal by itself: prefix, quotes, and what begins with the device type.
_LITERAL = re.compile(r"(?P<prefix>[rRuUfF]{0,2})(?P<quotes>\"\"\"|\'\'\'|\"|\')cuda(?P<rest>[^\"\'\\\\]*)(?P=quotes)")
# The type of the device that is there, where one is.
FOUND = named("torch.accelerator.current_accelerator") + "().type"
# Where a device is chosen, its type may stand in place of a name for it.
_CHOICES = frozenset({"AnnAssign", "Assign", "Return"})
_IS_AVAILABLE = re.compile(rb"\bcuda\.is_available\(\)")


def device_type(site: Site, ctx: Context) -> str:
    """The target's device type as an expression, a string, that may stand at the site."""
    if not ctx.target.device:
        return named("DEVICE")
    from porter.rewrite.calls import quote

    return quote(ctx.source.text, site, ctx.target.device) + needing(ctx.target.module)


def device_numbered(index: str, ctx: Context, perhaps: bool = False) -> str:
    """The device of this process as an expression, where CUDA's is given the number ``index``, an expression.

    ``perhaps``: whether the number may be None, which means the current device.
    """
    if not ctx.target.numbered:
        return f'"{ctx.target.device}"'
    if not ctx.target.device and perhaps:
        return f"{named('torch.device')}({named('DEVICE')}, {index})"
    if not ctx.target.device:
        return f'f"{{{named("DEVICE")}}}:{index if index.isdigit() else f"{{{index}}}"}"'
    return f'f"{ctx.target.device}:{{{index}}}"' if not index.isdigit() else f'"{ctx.target.device}:{index}"'


def device_literal(site: Site, ctx: Context) -> Edits | None:
    """The string at the site with the target's device type in it. None where it cannot be written.

    Where a device is what the program finds, its type is a name that the file defines; where a test for one stands in
    front, as in the idiom that PyTorch documents, it is asked for there.
    """
    from porter.rewrite.calls import replace_in_string

    if ctx.target.device:
        return replace_in_string(ctx.source.text, site.start, site.end, "cuda", ctx.target.device)
    found = _LITERAL.fullmatch(ctx.text(site.start, site.end))
    if found is None:
        return None
    device = FOUND if _chosen(site, ctx) else named("DEVICE")
    if not found["rest"]:
        return ctx.edit(site.start, site.end, device)
    if len(found["prefix"]) > 1 or site.parent in ("FormattedValue", "JoinedStr"):
        return None
    if (made := _put_together(site, ctx)) is not None:
        start, end, index = made
        return ctx.edit(start, end, f"f{found['quotes']}{{{device}}}:{{{index}}}{found['quotes']}")
    if found["prefix"] in ("f", "F"):
        word = site.start + found.end("quotes")
        return ctx.edit(word, word + len("cuda"), f"{{{device}}}")
    rest = re.sub(r"([{}])", r"\1\1", found["rest"])
    return ctx.edit(site.start, site.end, f"f{found['quotes']}{{{device}}}{rest}{found['quotes']}")


def _put_together(site: Site, ctx: Context) -> tuple[int, int, str] | None:
    """The span and the number of ``"cuda:%d" % i``, ``"cuda:{}".format(i)`` or ``"cuda:" + str(i)``."""
    outline = ctx.outline()
    around = outline.expressions(site.start, site.end)[:-1]
    number = _number(around, ctx.text(site.start, site.end)[1:-1])
    if number is None:
        return None
    made, index = number
    whole, part = outline.span(made), outline.span(index)
    text = ctx.text(part.start, part.end)
    return None if re.search(r"[\"'{}\\\n:!=]", text) else (whole.start, whole.end, text)


def _number(around: list[ast.expr], literal: str) -> tuple[ast.expr, ast.expr] | None:
    """Of the expressions around a literal, outermost first: the one that puts a number into it, and the number."""
    match around[-2:], literal:
        case [*_, ast.BinOp(op=ast.Mod(), right=ast.Name() | ast.Attribute() | ast.Subscript() as index) as made], (
            "cuda:%d" | "cuda:%s" | "cuda:%i"
        ):
            return made, index
        case [*_, ast.BinOp(op=ast.Add(), right=ast.Call(ast.Name("str"), [index], [])) as made], "cuda:":
            return made, index
        case [ast.Call(args=[index], keywords=[]) as call, ast.Attribute(attr="format")], "cuda:{}" | "cuda:{0}":
            return call, index
    return None


def _chosen(site: Site, ctx: Context) -> bool:
    """Whether the site is the device that a test for CUDA chooses, and nothing else: in a ternary, or by assignment."""
    if site.statement is None or not any(guard.kind == "cuda" for guard in site.guards):
        return False
    around = ctx.outline().expressions(site.start, site.end)[:-1]
    if around and isinstance(around[-1], ast.Call) and site.detail == "`torch.device()`" and len(around[-1].args) == 1:
        around.pop()
    tests = [guard for guard in site.guards if guard.kind == "cuda"]
    if around and isinstance(around[-1], ast.IfExp):
        tests = [guard for guard in tests if guard.start > site.statement.start]
    elif around or site.statement.kind not in _CHOICES:
        return False
    return bool(tests) and _IS_AVAILABLE.search(ctx.source.text, tests[0].start, tests[0].end) is not None


def expression(text: str, site: Site | None = None, ctx: Context | None = None) -> str:
    """An expression of the catalogue, for an edit: its names of modules that a file may not have are marked.

    Its strings have quotes that may stand at the ``site``.
    """
    if site is not None and ctx is not None and '"' in text:
        from porter.rewrite.calls import quote

        text = text.replace('"', quote(ctx.source.text, site, "")[0])
    return _NAME.sub(lambda found: named(found[1]), text)


def in_place_of(site: Site, ctx: Context) -> Edits | None:
    """What to write for a device string where the target's devices have no number: for all that makes the string.

    ``torch.device("cuda", rank)`` and ``"cuda:" + str(rank)`` are replaced as a whole. None where that cannot be done.
    """
    outline = ctx.outline()
    around = outline.expressions(site.start, site.end)
    if not around:
        return None
    made = len(around) - 1
    while made and (_makes_string(around[made - 1], around[made]) or _is_chosen(around[made - 1], around[made], ctx)):
        made -= 1
    call = next((node for node in reversed(around[:made]) if isinstance(node, ast.Call)), None)
    if ctx.target.current and call is not None and _is_device(call, around[made], site):
        span = outline.span(call)
        asked = any(isinstance(node, ast.Attribute) and node.value is call for node in around)  # .type
        if asked or _at_import(outline.around(site.start)):  # where nothing may touch a device yet
            given = [outline.span(part) for part in (*call.args, *call.keywords)]
            return ctx.edit(given[0].start, max(part.end for part in given), device_type(site, ctx))
        return ctx.edit(span.start, span.end, expression(ctx.target.current))
    span = outline.span(around[made])
    return ctx.edit(span.start, span.end, device_type(site, ctx))


def _at_import(around: list[ast.AST]) -> bool:
    """Whether an expression is evaluated where its function or class is defined: a default, an attribute of a class."""
    defines = any(isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) for n in around[-1:])
    return defines or any(isinstance(n, ast.ClassDef) for n in around[-2:-1])


def _makes_string(outer: ast.expr, inner: ast.expr) -> bool:
    """Whether ``outer`` completes the string that ``inner`` begins: ``"cuda:" + str(i)``, ``"cuda:{}".format(i)``."""
    match outer:
        case ast.BinOp(op=ast.Add() | ast.Mod(), left=left):
            return left is inner
        case ast.Attribute(attr="format", value=value):
            return value is inner
        case ast.Call(func=ast.Attribute(attr="format") as function):
            return function is inner
        case ast.JoinedStr():
            return True
    return False


def _is_chosen(outer: ast.expr, inner: ast.expr, ctx: Context) -> bool:
    """``"cuda" if torch.cuda.is_available() else "cpu"``, where the target's device is there in any case."""
    if not ctx.target.current or not isinstance(outer, ast.IfExp) or outer.body is not inner:
        return False
    return _asked(outer.test, ctx)


def _asked(test: ast.expr, ctx: Context) -> bool:
    """Whether a test asks for CUDA and for nothing else."""
    span = ctx.outline().span(test)
    calls = (s.call for s in ctx.where("name", "torch.cuda.is_available"))
    return any(call is not None and (call.start, call.end) == (span.start, span.end) for call in calls)


def _is_device(call: ast.Call, made: ast.expr, site: Site) -> bool:
    """Whether a call is ``torch.device`` of the string alone, or of it and a number."""
    return site.detail == "`torch.device()`" and bool(call.args) and call.args[0] is made
