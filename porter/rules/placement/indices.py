"""The number of a device: whether it is this process's own, or chooses one of several."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import msgspec

from porter.index.outline import dotted
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, TextEdit, needing
from porter.rules.spelling import device_numbered
from porter.rules.uses import function_around

# What programs call the device of a process: its rank on this machine, or a GPU given to it from outside.
_OWN = re.compile(
    r"(?:\w*_)?(?:rank|local_?id|process_index|(?:gpu|device|dev|cuda)_?(?:id|idx|index|num|number|no)|gpu|cuda)", re.I
)
_HANDED = rb"\brank\s*=\s*%s\s*[,)]"
_CURRENT = re.compile(r"\bcurrent_device\(\)|\bdevice\.index\b")
_NAME = re.compile(r"[A-Za-z_]\w*")
# Arithmetic, and a choice among several: `rank % n` alone is the rank on this machine, spelled out.
_CHOICE = re.compile(r"//|[*+-]|\b(?:min|max|next|sorted)\s*\(|\[(?![\"'])")
_PICKED = re.compile(r"([A-Za-z_][\w.]*)\[(-?\d+)\]")
_FIELD = re.compile(r"cuda:\{([^{}!:]*)")
_SECOND = re.compile(r"\s*,\s*(?:index\s*=\s*)?(?!type\b)")
_JOIN = re.compile(r"\s*(?:\+|%|\.\s*format\b)")
_ALONE = re.compile(r"\(\s*([^(),]*?)\s*\)")  # what `format` is given, or `%` in parentheses
_OPENING, _CLOSING = "([{", ")]}"


def is_own(expression: str, site: Site, ctx: Context) -> bool:
    """Whether ``expression`` gives the index of the one device that this process drives.

    What is called a device is a number where a text is made with it: ``f"cuda:{args.device}"``. What the function hands
    on as a ``rank`` is one, whatever it is called.
    """
    if _CHOICE.search(expression):
        return False
    if _CURRENT.search(expression):
        return True
    names = _NAME.findall(expression)
    called = any(map(_OWN.fullmatch, names)) or (names[-1:] == ["device"] and site.name == "cuda:{}")
    if not called and re.search(_HANDED % re.escape(expression).encode(), function_around(site, ctx)) is None:
        return False
    return not any(_counted(name, site, ctx) for name in names)


def is_counted(site: Site, ctx: Context) -> bool:
    """Whether a loop runs over the number of a device: ``for i in range(n): devices.append(f"cuda:{i}")``."""
    return any(_counted(name, site, ctx) for name in _NAME.findall(computed(site, ctx)))


def picked(expression: str, site: Site, ctx: Context) -> str:
    """The list of which ``expression`` takes one, always the same, where the function takes no other: ``ids[0]``."""
    found = _PICKED.fullmatch(expression)
    if found is None:
        return ""
    name = re.escape(found[1])
    others = rf"(?<![\w.]){name}\[(?!{re.escape(found[2])}\])|\bin\s+(?:\w+\()?{name}\b"
    return "" if re.search(others.encode(), function_around(site, ctx)) else found[1]


def computed(site: Site, ctx: Context) -> str:
    """The expression that a device string such as ``f"cuda:{rank}"`` or ``"cuda:" + str(i)`` is made with."""
    field = _FIELD.search(ctx.text(site.start, site.end))
    if field is not None and field[1].strip():
        return field[1].strip()
    end = site.statement.end if site.statement is not None else site.end
    rest = ctx.text(site.end, max(site.end, end))
    joined = _JOIN.match(rest)
    if joined is None:
        return ""
    operand = _operand(rest[joined.end() :])
    alone = _ALONE.fullmatch(operand)
    return alone[1] if alone is not None else operand


def second(site: Site, ctx: Context) -> str:
    """The index that stands beside the string in ``torch.device("cuda", index)``; empty where there is none."""
    if site.detail != "`torch.device()`" or site.statement is None:
        return ""
    rest = ctx.text(site.end, max(site.end, site.statement.end))
    found = _SECOND.match(rest)
    return _operand(rest[found.end() :]) if found is not None else ""


def with_its_moves(found: Judgement | Dismissed, site: Site, ctx: Context) -> Judgement | Dismissed:
    """What becomes of ``set_device(rank)``, together with ``.to(rank)``, where the target's devices have no number."""
    number = site.call.get("device", 0) if site.call is not None and site.name.endswith(".set_device") else None
    if ctx.target.numbered or number is None or isinstance(found, Dismissed) or not found.edits:
        return found
    if number.type == "torch.device":  # no number: it is made where the device is
        return found
    name, outline = ctx.text(number.start, number.end), ctx.outline()
    home = (outline.function(site.start) if "." not in name else None) or outline.tree
    if not _is_number(name, home):
        return found
    device = device_numbered(name, ctx) + needing(ctx.target.module)
    values = (v for n in ast.walk(home) if isinstance(n, ast.Call) for v in _devices(n))
    spans = [outline.span(value) for value in values if dotted(value) == name]
    moves = (TextEdit(span.start, span.end, device) for span in spans)
    return msgspec.structs.replace(found, edits=(*found.edits, *moves))


def _is_number(name: str, home: ast.AST) -> bool:
    """Whether a name is a rank by what it is called, or made by reckoning, and is no device itself."""
    made = [n.value for n in ast.walk(home) if isinstance(n, ast.Assign) and name in map(dotted, n.targets)]
    if made and all(isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mod) for value in made):
        return True
    called = name.rpartition(".")[2]
    return called != "device" and _OWN.fullmatch(called) is not None


def _devices(call: ast.Call) -> Iterator[ast.expr]:
    """What a call takes as a device: ``.to(value)``, ``device=value``."""
    if isinstance(call.func, ast.Attribute) and call.func.attr == "to":
        yield from call.args[:1]
    yield from (keyword.value for keyword in call.keywords if keyword.arg == "device")


def _operand(text: str) -> str:
    """``text`` up to where the expression that it begins with ends."""
    depth = 0
    for i, character in enumerate(text):
        if character in _OPENING:
            depth += 1
        elif character in _CLOSING:
            depth -= 1
        if depth < 0 or (depth == 0 and (character in ",\n:;" or text.startswith((" if ", " else "), i))):
            return text[:i].strip()
    return text.strip()


def _counted(name: str, site: Site, ctx: Context) -> bool:
    """Whether a name runs over several values in a loop around the site, or is counted up there."""
    if not site.in_loop or name in ctx.once(_run_over):
        return site.in_loop
    loops = [node for node in ctx.outline().around(site.start) if isinstance(node, ast.For | ast.While)]
    steps = (node.target for loop in loops[:1] for node in ast.walk(loop) if isinstance(node, ast.AugAssign))
    return name in map(dotted, steps)


def _run_over(ctx: Context) -> set[str]:
    """The variables and attributes that the loops and comprehensions of the file bind."""
    outline = ctx.outline()
    loops = [node for node in outline.nodes if isinstance(node, ast.For | ast.AsyncFor | ast.comprehension)]
    bound = (inner for loop in loops for inner in ast.walk(loop.target))
    named = [
        inner for inner in bound if isinstance(inner, ast.Name | ast.Attribute) and isinstance(inner.ctx, ast.Store)
    ]
    return {inner.id if isinstance(inner, ast.Name) else inner.attr for inner in named}
