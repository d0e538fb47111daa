"""Legacy tensor types that name CUDA: `torch.cuda.FloatTensor`, and the same as a string.

## What CUDA does

A type stands for dtype and device at once: constructor, conversion and test.

## On Neuron

There are no such types. dtype and device are said apart: `torch.tensor(..., dtype=..., device="neuron")`,
`x.to("neuron", torch.float32)`, `x.dtype == torch.float32`.

## When porter rewrites

`torch.cuda.FloatTensor([...])` from a list becomes `torch.tensor`, one made of sizes (`FloatTensor(n, 3)`,
`FloatTensor(x.size())`, `FloatTensor(size=s)`) `torch.empty`. `x.type(torch.cuda.FloatTensor)` becomes
`x.to("neuron", torch.float32)`. `x.type() == "torch.cuda.HalfTensor"` asks for a dtype: it becomes
`x.dtype == torch.float16`, and `in` a list of halves likewise. `isinstance(x, torch.cuda.FloatTensor)` becomes a test
of dtype and device, together with what runs behind it. Annotations become `torch.Tensor`.

A type that a flag chooses (`Tensor = torch.cuda.FloatTensor if cuda else torch.FloatTensor`) becomes a device that the
flag chooses: what is made of the type moves to it. So does what is made of `dtype = torch.cuda.FloatTensor`.

A single variable may be data or a size (`FloatTensor(n)`), if nothing says which (`n, _ = x.shape`),
`== "torch.cuda.FloatTensor"` may ask for dtype or device, if no arm beside it asks for halves, halves may become
float16 or bfloat16 where no test for halves leads to them, and `torch.set_default_tensor_type` changes two settings at
once: those are left to you.

## Example

```py
x = torch.cuda.FloatTensor([1.0, 2.0])
```

becomes

```py
x = torch.tensor([1.0, 2.0], dtype=torch.float32, device="neuron")
```
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain

from porter.catalog.schema import Row
from porter.index.outline import dotted
from porter.index.site import Call, Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Edits, Judgement, rule
from porter.rules.placement.chosen_type import DTYPES, chosen_type, named_type
from porter.rules.placement.devices import torch_name
from porter.rules.placement.reach import full_name, leads_to
from porter.rules.spelling import device_type
from porter.rules.table import by_hand, judge_by_row, judgement
from porter.rules.uses import asks_class, is_asked_for

_CONVERTS = re.compile(rb"\.\s*(type)\(\s*\Z")
_COMPARES = re.compile(rb"\.(type\(\))\s*[=!]=\s*\Z")
_ASKS = re.compile(rb"\.(type\(\))\Z")
_TYPE = re.compile(r"^torch\.cuda\.|Tensor$")
_TESTED = ("Compare", "List", "Tuple", "Set")
_ENDS = re.compile(rb"\s*[,)]")
_SHORT = ("float16", "bfloat16")  # whether a program should go on in float16 is another question
_WINDOW = 80  # bytes before a site that are looked at
_DEFAULT = "torch.set_default_tensor_type"


@rule("PRT105", "cuda-tensor-type")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge a tensor type by how it is used."""
    if site.name == _DEFAULT:
        return _default(site, row, ctx)
    dtype = DTYPES.get(site.name.rpartition(".")[2].removesuffix("Tensor"))
    if dtype is None or not ctx.edits:
        return judge_by_row(site, row, ctx)
    if _is_default(site, ctx):
        return Dismissed(site, "part")
    if site.role == "annotation":
        return judgement(site, row, ctx, advice="write `torch.Tensor`", note=None, rename="torch.Tensor")
    if site.parent == "IfExp" and site.call is None and (chosen := chosen_type(site, ctx)) is not None:
        group, together = chosen
        return judgement(site, row, ctx, verdict=Verdict.REVIEW, edits=together, group=group)
    if site.parent == "Assign" and site.call is None and (changes := named_type(site, ctx)) is not None:
        return judgement(site, row, ctx, verdict=Verdict.REVIEW, edits=changes)
    definition = next((s for s in ctx.where("start", site.alias) if s.parent == "Assign"), None)
    if definition is not None and named_type(definition, ctx) is not None:
        return Dismissed(site, "part")
    torch = _torch(site, ctx)
    edits: Edits | None = None
    if torch and site.editable:
        edits = _compared(site, ctx, torch, dtype) if dtype in _SHORT or _beside_half(site, ctx) else None
        if edits is None and (dtype not in _SHORT or _stays_short(site, ctx)):
            edits = _made(site, ctx, torch, dtype)
    if edits:
        advice = _spelled(site, ctx, torch, dtype)
        return judgement(
            site, row, ctx, verdict=Verdict.REVIEW, advice=advice, note=None if advice else "", edits=edits
        )
    if is_asked_for(site, ctx) or site.parent == "Compare":
        advice = f"ask for the dtype, `x.dtype == torch.{dtype}`, and for the device apart, where it matters"
        return judgement(site, row, ctx, verdict=Verdict.MANUAL, advice=advice)
    if site.parent == "FormattedValue":
        advice = f"it is only shown: name the dtype, `torch.{dtype}`"
        return judgement(site, row, ctx, verdict=Verdict.MANUAL, advice=advice, note=None)
    if site.call is None:
        advice = f"keep the dtype alone, `torch.{dtype}`, and give `.to()` the device with it where `.type()` takes it"
        return judgement(site, row, ctx, verdict=Verdict.MANUAL, advice=advice)
    return by_hand(
        site, row, ctx, f"it is `torch.empty` where sizes are given; say dtype (`torch.{dtype}`) and device apart"
    )


def _spelled(site: Site, ctx: Context, torch: str, dtype: str) -> str:
    """What people are told of a constructor, a test or a conversion that is rewritten; empty for other uses."""
    if asks_class(site, ctx):
        return "ask for dtype and device apart"
    function = _factory(site, site.call, ctx) if site.call is not None else None
    if site.call is None and site.parent in _TESTED:
        return f"compare the dtype: `.dtype`, with `{torch}.{dtype}`"
    device = _device(ctx)
    if site.call is None and _converts(site, ctx) is not None:
        return f"write `.to({device}, {torch}.{dtype})`"
    return f"write `{torch}.{function}(..., dtype={torch}.{dtype}, device={device})`" if function is not None else ""


def _torch(site: Site, ctx: Context) -> str:
    """What the file calls torch where it names the type; empty where it does not."""
    if site.kind == "symbol":
        return ctx.text(site.start, site.end).partition(".")[0] if site.alias is None else ""
    return torch_name(ctx) or ""


def _made(site: Site, ctx: Context, torch: str, dtype: str) -> Edits | None:
    """The type as what a tensor is made of, or made into."""
    if site.call is not None:
        return _constructed(site, site.call, ctx, torch, dtype)
    return _converted(site, ctx, torch, dtype) or _instance(site, ctx, torch, dtype)


def _constructed(site: Site, call: Call, ctx: Context, torch: str, dtype: str) -> Edits | None:
    function = _factory(site, call, ctx)
    if function is None:
        return None
    from porter.rewrite.calls import CallEditor

    editor = CallEditor(ctx.source.text, call).append(f"dtype={torch}.{dtype}, device={device_type(site, ctx)}")
    edits = editor.edits()
    return (*ctx.edit(site.start, site.end, f"{torch}.{function}"), *edits) if edits else None


def _factory(site: Site, call: Call, ctx: Context) -> str | None:
    """A list is data, numbers and shapes are sizes; None for anything else, which may be either."""
    kinds = {argument.keyword for argument in call.arguments}
    texts = (ctx.text(a.start, a.end).lstrip("*") for a in call.arguments)
    values = [ast.parse(f"({text})", mode="eval").body for text in texts]
    spread = [value for a, value in zip(call.arguments, values, strict=True) if a.keyword == "*"]
    if kinds == {"size"} or (kinds <= {None, "*"} and spread and all(_is_shape(v, site, ctx) for v in spread)):
        return "empty"
    if kinds != {None} or len(values) > 1:
        return "empty" if kinds == {None} else None
    value = values[0]
    if _is_number(value, site, ctx) or _is_shape(value, site, ctx):
        return "empty"
    return "tensor" if _is_list(value, site, ctx) else None


def _is_number(value: ast.expr, site: Site, ctx: Context, *, named: bool = True) -> bool:
    """Whether an expression yields a number: one of a shape, a length, or a variable that is given nothing else."""
    match value:
        case ast.Constant(number):
            return type(number) is int
        case ast.BinOp(left, ast.Add() | ast.Sub() | ast.Mult() | ast.FloorDiv(), right):
            return all(_is_number(side, site, ctx, named=named) for side in (left, right))
        case ast.Call(ast.Name("len" | "int")) | ast.Call(ast.Attribute(attr="item" | "numel")):
            return True
        case ast.Call(ast.Attribute(attr="size"), [ast.expr()]):
            return True
        case ast.Subscript(whole, slice=index):
            return not isinstance(index, ast.Slice) and _is_shape(whole, site, ctx, named=named)
        case ast.Name(name):
            return named and _holds(name, partial(_is_number, named=False), site, ctx)
    return False


def _is_shape(value: ast.expr, site: Site, ctx: Context, *, named: bool = True) -> bool:
    """Whether an expression yields sizes: ``x.size()``, ``x.shape``, ``torch.Size(...)``."""
    match value:
        case ast.Attribute(attr="shape") | ast.Call(ast.Attribute(attr="size"), [], []):
            return True
        case ast.Call(func=function):
            return full_name(dotted(function) or "", site.scope, ctx) == "torch.Size"
        case ast.Name(name):
            return named and _holds(name, partial(_is_shape, named=False), site, ctx)
    return False


def _is_list(value: ast.expr, site: Site, ctx: Context, *, named: bool = True) -> bool:
    """Whether an expression yields a list: by what it is made of, or as a variable that is given nothing but lists."""
    match value:
        case ast.List() | ast.ListComp() | ast.Call(ast.Name("list" | "sorted")):
            return True
        case ast.BinOp(left, ast.Mult() | ast.Add(), right):
            return any(_is_list(side, site, ctx, named=named) for side in (left, right))
        case ast.Name(name):
            return named and _holds(name, partial(_is_list, named=False), site, ctx)
    return False


def _holds(name: str, kind: Callable[[ast.expr, Site, Context], bool], site: Site, ctx: Context) -> bool:
    """Whether a variable is given nothing but what is of a kind, and that not by way of another one."""
    nodes = list(ast.walk(ctx.outline().home(name, site.start)))
    given = [value for n in nodes if isinstance(n, ast.Assign) for value in _given(name, n)]
    bound = [n for n in nodes if isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Store)]
    taken = any(isinstance(n, ast.arg) and n.arg == name for n in nodes)
    known = [value for value in given if kind(value, site, ctx)]
    return bool(known) and len(known) == len(bound) and not taken


def _given(name: str, node: ast.Assign) -> Iterator[ast.expr]:
    """What an assignment gives a variable: its value, or one of its items."""
    for target in node.targets:
        match target:
            case ast.Name(id=own) if own == name:
                yield node.value
            case ast.Tuple(elts) if not any(isinstance(e, ast.Starred) for e in elts):
                places = (i for i, e in enumerate(elts) if dotted(e) == name)
                yield from (ast.Subscript(node.value, ast.Constant(i), ast.Load()) for i in places)


def _converted(site: Site, ctx: Context, torch: str, dtype: str) -> Edits | None:
    """``x.type(torch.cuda.FloatTensor)``: what has such a type is a tensor, a module or a storage of either."""
    method = _converts(site, ctx)
    if method is None:
        return None
    device = device_type(site, ctx)
    name = ctx.edit(*method.span(1), "to")
    return (*name, *ctx.edit(site.start, site.end, f"{device}, {torch}.{dtype}"))


def _converts(site: Site, ctx: Context) -> re.Match[bytes] | None:
    """The method that is given the type alone, to convert what it is called on."""
    method = _CONVERTS.search(ctx.source.text, max(0, site.start - _WINDOW), site.start)
    return method if _ENDS.match(ctx.source.text, site.end) else None


def _instance(site: Site, ctx: Context, torch: str, dtype: str) -> Edits | None:
    """``isinstance(x, torch.cuda.FloatTensor)``: a test of class, dtype and device, as ``x`` may be anything."""
    match ctx.outline().expressions(site.start, site.end):
        case [*outer, ast.Call(ast.Name("isinstance"), [value, _]) as call, _] if (name := dotted(value)) is not None:
            device = '!= "cpu"' if ctx.target.keeps_cuda else f'== "{ctx.target.device}"'
            asked = f"isinstance({name}, {torch}.Tensor) and {name}.dtype == {torch}.{dtype}"
            text, span = f"{asked} and {name}.device.type {device}", ctx.outline().span(call)
            return ctx.edit(span.start, span.end, f"({text})" if outer else text)
    return None


def _compared(site: Site, ctx: Context, torch: str, dtype: str) -> Edits | None:
    """``x.type() == "torch.cuda.HalfTensor"``: only tensors answer so, and it is the dtype that matters."""
    at = max(0, site.start - _WINDOW)
    method = _COMPARES.search(ctx.source.text, at, site.start)
    if site.kind != "string" or method is None:
        return _among(site, ctx, torch)
    return (*ctx.edit(*method.span(1), "dtype"), *ctx.edit(site.start, site.end, f"{torch}.{dtype}"))


def _among(site: Site, ctx: Context, torch: str) -> Edits | None:
    """``x.type() in ["torch.cuda.HalfTensor", "torch.cuda.BFloat16Tensor"]``: halves, by their names."""
    match ctx.outline().expressions(site.start, site.end):
        case [*_, ast.Compare(asked, [ast.In() | ast.NotIn()], [listed]), _, ast.Constant()]:
            span, names = ctx.outline().span(asked), getattr(listed, "elts", ())
            method = _ASKS.search(ctx.source.text, span.start, span.end)
            dtypes = [DTYPES.get(_TYPE.sub("", str(getattr(name, "value", "")))) for name in names]
            if method is None or any(dtype not in _SHORT for dtype in dtypes):
                return None
            places = map(ctx.outline().span, names)
            edits = (ctx.edit(at.start, at.end, f"{torch}.{d}") for at, d in zip(places, dtypes, strict=True))
            return (*ctx.edit(*method.span(1), "dtype"), *chain(*edits))
    return None


def _beside_half(site: Site, ctx: Context) -> bool:
    """Whether the test is an arm of a chain that has another for halves: both ask for the dtype."""
    outline = ctx.outline()
    chain = [outline.span(node.test) for node in outline.around(site.start) if isinstance(node, ast.If)]
    tested = (s for parent in _TESTED for s in ctx.where("parent", parent))
    halves = (s for s in tested if s.name.endswith((".HalfTensor", ".BFloat16Tensor")))
    return len(chain) > 1 and any(test.holds(half.start) for half in halves for test in chain)


def _stays_short(site: Site, ctx: Context) -> bool:
    """Whether a half stays one: on a target that keeps CUDA's numbers, and behind a test for halves."""
    tests = (s for s in ctx.where("name", site.name) if s.kind == "string" and s.parent == "Compare")
    return ctx.target.keeps_cuda or any(leads_to(test, site, ctx) for test in tests)


def _is_default(site: Site, ctx: Context) -> bool:
    """Whether the type is what `torch.set_default_tensor_type` is given."""
    calls = [s.call for s in ctx.where("name", _DEFAULT) if s.call is not None]
    return any(call.start <= site.start and site.end <= call.end for call in calls)


def _default(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    call = site.call
    inner = ctx.nesting.within(call.start, call.end) if call is not None else []
    types = [s for s in inner if s.name != _DEFAULT]
    if not types:
        return Dismissed(site, "agnostic")
    message, advice = "CUDA tensors become the default of all factories", ctx.answer(row).advice
    dtype = DTYPES.get(types[0].name.rpartition(".")[2].removesuffix("Tensor"))
    if not advice and dtype is not None:
        advice = (
            f"write `torch.set_default_dtype(torch.{dtype})` and `torch.set_default_device({_device(ctx)})` by hand"
        )
    verdict, note = Verdict.MANUAL, _left_behind(site, ctx) if ctx.target.name != "xla" else ""
    return judgement(site, row, ctx, verdict=verdict, message=message, advice=advice, note=note)


def _left_behind(site: Site, ctx: Context) -> str:
    """What the default type puts on the device, and a default device does not: ``torch.Tensor(data)``."""
    calls = (node for node in ctx.outline().nodes if isinstance(node, ast.Call) and node.args)
    made = (call.lineno for call in calls if full_name(dotted(call.func) or "", site.scope, ctx) == "torch.Tensor")
    line = min(made, default=None)
    where = f", as in line {line}," if line is not None else ""
    return f"`torch.Tensor(...)`{where} stays on the CPU with a default device: make it `torch.tensor(..., dtype=...)`"


def _device(ctx: Context) -> str:
    """The target's device as people write it."""
    return f'"{ctx.target.device}"' if ctx.target.device else "device"
