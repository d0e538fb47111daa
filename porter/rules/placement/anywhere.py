"""Tests for CUDA as tests for any accelerator: what the portable target makes of `device.type == "cuda"`.

Which accelerator is there only the program finds out, but the CPU is always called `cpu`: a device that is not the CPU
is on the accelerator. Comparing with the name of the device that was found would hold on a machine that has none.
"""

from __future__ import annotations

import ast
import re

from porter.index.site import Site
from porter.rules.base import Context, Edits, TextEdit

# Other devices that a program may tell apart: there "not the CPU" is not what was asked.
_OTHER = re.compile(r"(mps|meta|xpu|npu|hpu|xla|tpu|mlu|musa|hip|privateuseone)(?::.*)?")
_OTHERS = re.compile(rb"[\"'](?:mps|meta|xpu|npu|hpu|xla|tpu|mlu|musa|hip|privateuseone)[\"':]|\bis_mps\b|\.mps\b")
_KINDS = re.compile(r"(?<![a-z])(?:mps|xpu|npu|hpu|xla|tpu|mlu|musa)(?![a-z])")
_OPPOSITE = {ast.Eq: "!=", ast.NotEq: "==", ast.In: "not in", ast.NotIn: "in"}
_WRITTEN = {ast.Eq: rb"==", ast.NotEq: rb"!=", ast.In: rb"\bin\b", ast.NotIn: rb"\bnot\s+in\b"}
_LOOSE = (ast.BoolOp, ast.IfExp, ast.Call, ast.keyword, ast.Assign)
# What stands around a device that is made to be compared: `x.device == torch.device("cuda")`.
_THEN_COMPARED = re.compile(rb"\s*\)(?:\.type)?\s*[!=]=")
_COMPARED_BEFORE = re.compile(rb"[!=]=\s*(?:\w+\.)*device\(\s*\Z")
_QUOTED = re.compile(r"([\"'])cuda(:?)\1")


def others(site: Site, ctx: Context) -> str:
    """What the file's code tells apart beside CUDA and the CPU, as text for people; empty where nothing."""
    if not ctx.says(_OTHERS):
        return ""
    found = sorted({name for node in ast.walk(ctx.outline().tree) for name in _told(node)})
    return ", ".join(f"`{name}`" for name in found)


def _told(node: ast.AST) -> list[str]:
    """The name of another device that a node is: a string, or a question for the device."""
    match node:
        case ast.Constant(str(text)) if (found := _OTHER.fullmatch(text)) is not None:
            return [found[1]]
        case ast.Attribute(ast.Attribute(attr="mps"), attr="is_available") | ast.Attribute(attr="is_mps"):
            return ["mps"]
    return []


def finds_device(site: Site, ctx: Context) -> bool:
    """Whether what is compared is a name for the type of whatever device the program finds."""
    name = site.detail
    found = re.compile(rb"^" + re.escape(name.encode()) + rb"\s*=\s*[\w.]*accelerator\.current_accelerator\(", re.M)
    return name.isidentifier() and found.search(ctx.source.text) is not None


def is_compared(site: Site, ctx: Context) -> bool:
    """Whether a device is made to be compared: ``x.device == torch.device("cuda")``, or the types of both."""
    if site.detail != "`torch.device()`":
        return False
    text = ctx.source.text
    if not (_THEN_COMPARED.match(text, site.end) or _COMPARED_BEFORE.search(text, max(0, site.start - 40), site.start)):
        return False
    return _test(site, ctx) is not None


def is_exact(site: Site, ctx: Context) -> bool:
    """Whether "not the CPU" is true of the same devices: not where what is compared may have a number."""
    test = _test(site, ctx)
    if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Eq | ast.NotEq):
        sides = (test.left, test.comparators[0])
        return any(isinstance(side, ast.Attribute) and side.attr == "type" for side in sides)
    return True


def on_accelerator(site: Site, ctx: Context) -> Edits | None:
    """The test with `cpu` for `cuda`, and the opposite of what it asks. None where it has another shape."""
    quoted = _QUOTED.fullmatch(ctx.text(site.start, site.end))
    test = _test(site, ctx)
    if quoted is None or (quoted[2] and isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Eq | ast.NotEq)):
        return None
    return opposite(site, f"{quoted[1]}cpu{quoted[1]}", ctx)


def opposite(site: Site, literal: str, ctx: Context) -> Edits | None:
    """The opposite test, of another literal. None where it is no test of one value."""
    test = _test(site, ctx)
    if test is None:
        return None
    word = TextEdit(site.start, site.end, literal)
    return _operator(test, word, ctx) if isinstance(test, ast.Compare) else _negated(test, word, site, ctx)


def has_arm(site: Site, ctx: Context) -> str:
    """The other devices, as text, for which there is an arm beside the site's own condition; empty where none is.

    It may be an arm of the same chain, or of a test that stands beside or around it in the function. Arms that do
    nothing but choose a device do no harm: what they choose is what the program finds anyway.
    """
    outline = ctx.outline()
    around = outline.around(site.start)
    own = next((n for n in reversed(around) if isinstance(n, ast.If) and outline.span(n.test).holds(site.start)), None)
    if own is not None and (found := _arm(own)):
        return found
    if outline.function(site.start) is None:
        return ""
    inner = [node for node in around if node is not own]
    beside = (s for block in outline.blocks(site.start) for s in block if s is not own)
    return next((found for s in (*inner, *beside) if isinstance(s, ast.If) and (found := _arm(s))), "")


def _arm(statement: ast.If) -> str:
    """The devices beside CUDA and the CPU that a chain has an arm for, unless all that it does is to choose one."""
    tests, bodies = [statement.test], [statement.body]
    while len(statement.orelse) == 1 and isinstance(statement.orelse[0], ast.If):
        statement = statement.orelse[0]
        tests.append(statement.test)
        bodies.append(statement.body)
    if all(len(body) == 1 and isinstance(body[0], ast.Assign | ast.AnnAssign | ast.Return) for body in bodies):
        return ""
    words = [match.group() for test in tests for match in _KINDS.finditer(ast.unparse(test))]
    if words:
        return f"`{words[0]}`"
    last = statement.orelse[-1:]
    is_left = bool(last) and not isinstance(last[0], ast.Raise)
    return "other devices" if is_left and {"cpu", "cuda"} <= {_compared(test) for test in tests} else ""


def _compared(test: ast.expr) -> str:
    """The text that a test compares something with, or looks for in it."""
    match test:
        case ast.Compare(left=ast.Constant(str(text)), ops=[ast.In() | ast.Eq()]):
            return text
        case ast.Compare(ops=[ast.Eq()], comparators=[ast.Constant(str(text))]):
            return text
    return ""


def _test(site: Site, ctx: Context) -> ast.Compare | ast.Call | None:
    """The comparison, or the call of ``startswith``, that the literal is an operand of."""
    match ctx.outline().expressions(site.start, site.end):
        case [*_, ast.Call(func=ast.Attribute(attr="startswith"), args=[_], keywords=[]) as call, ast.Constant()]:
            return call
        case (
            [*_, ast.Compare(ops=[op]) as test, ast.Constant()]
            | [*_, ast.Compare(ops=[op]) as test, ast.Call(args=[_], keywords=[]), ast.Constant()]
            | [*_, ast.Compare(ops=[op]) as test, ast.Attribute(attr="type"), ast.Call(args=[_]), ast.Constant()]
        ) if type(op) in _OPPOSITE:
            return test
    return None


def _operator(test: ast.Compare, word: TextEdit, ctx: Context) -> Edits | None:
    outline, operator = ctx.outline(), type(test.ops[0])
    left, right = outline.span(test.left), outline.span(test.comparators[0])
    found = re.compile(_WRITTEN[operator]).search(ctx.source.text, left.end, right.start)
    if found is None:
        return None
    return tuple(sorted([TextEdit(*found.span(), _OPPOSITE[operator]), word]))


def _negated(call: ast.Call, word: TextEdit, site: Site, ctx: Context) -> Edits | None:
    """``device.startswith("cuda")`` gets a ``not``, or loses the one that it has."""
    outline = ctx.outline()
    start = outline.span(call).start
    around = outline.expressions(site.start, site.end)[:-2]
    outer = around[-1] if around else None
    if isinstance(outer, ast.UnaryOp) and isinstance(outer.op, ast.Not):
        begins = outline.span(outer).start
        return None if ctx.text(begins, start).strip() != "not" else (TextEdit(begins, start, ""), word)
    if outer is not None and not isinstance(outer, _LOOSE):
        return None
    return (TextEdit(start, start, "not "), word)
