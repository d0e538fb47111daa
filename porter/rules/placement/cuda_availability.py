"""`torch.cuda.is_available()` asks for one vendor's GPU: on Neuron the program silently falls back to the CPU.

## What CUDA does

True where PyTorch was built with CUDA and a GPU is there.

## On Neuron

`torch.neuron.is_available()`. `import torch` alone registers the backend; where `torch_neuronx` is not installed,
`torch.neuron` does not exist, and the call raises AttributeError.

## When porter rewrites

The code behind the question is ported with it, and so is the device that it chooses in the same statement. Where that
code needs CUDA whatever the device is called (a compiled kernel, a CUDA graph), the question keeps Neuron out of it,
rightly, and stays. Where it also moves data to the device, somebody has to port it first. A question for nothing but
how a file is loaded stays, too: what was saved on CUDA is loaded to the CPU where there is none. If more is done there,
the file is loaded to the CPU in both arms. Where the question chooses `"gpu"` for code that porter cannot see, or
`DeviceGPU` beside `DeviceTPU`, a person says what Neuron is to get.

## Example

```py
device = "cuda" if torch.cuda.is_available() else "cpu"
```

becomes

```py
device = "neuron" if torch.neuron.is_available() else "cpu"
```
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

import msgspec

from porter.catalog.schema import Row
from porter.index.outline import dotted
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Judgement, TextEdit, rule
from porter.rules.kernels.known import FUSED, asks_for_fused
from porter.rules.placement.behind import together
from porter.rules.placement.branches import hold
from porter.rules.placement.devices import argument_around, word_edit
from porter.rules.placement.flags import flag
from porter.rules.placement.reach import full_name
from porter.rules.table import judge_by_row, judgement
from porter.rules.uses import is_shown, judge_use

_TO_CPU = re.compile(r"\bmap_location\b.*(?:\bcpu\b|\bstorage\b)", re.S)
_CUDA = re.compile(r"\bcuda\b", re.I)
_ON_DEVICE = re.compile(r"cuda|device|\.to\(")


@rule("PRT108", "cuda-availability")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge the question by what runs behind it."""
    if argument_around(site, ctx) is not None:
        return Dismissed(site, "part")
    if site.role == "import":
        return judge_use(site, row, ctx)
    group = together(site)
    if asks_for_fused(site, ctx):
        return judgement(site, row, ctx, verdict=Verdict.PORTABLE, advice=FUSED, note=None)
    if site.parent == "FormattedValue" and site.statement is not None and site.statement.kind == "Raise":
        advice = "left as it is: an error's text shows it"
        return judgement(site, row, ctx, verdict=Verdict.PORTABLE, advice=advice, note=None)
    if is_shown(site, ctx) and _labelled(site, ctx):
        advice = "left as it is: the text beside it says that it is the answer about CUDA"
        return judgement(site, row, ctx, verdict=Verdict.PORTABLE, advice=advice, note=None)
    if _says_where_to_load(site, ctx):
        advice = "left as it is: without CUDA the file is loaded to the CPU, whatever it was saved on"
        return judgement(site, row, ctx, verdict=Verdict.PORTABLE, advice=advice, note=None)
    if held := hold(site, ctx):
        return judgement(site, row, ctx, verdict=held.verdict, advice=held.advice, note=held.note, group=group)
    if (chosen := _chosen(site, ctx)) is not None:
        return judgement(site, row, ctx, edits=word_edit(chosen, ctx) if ctx.edits else (), group=group)
    result = judge_by_row(site, row, ctx)
    if isinstance(result, Dismissed):
        return result
    if loads := list(_loaded_as_saved(site, ctx)) if result.rename is not None else []:
        note = (
            f"line {loads[0].lineno} reads to the CPU then, as the other arm does: what CUDA saved needs CUDA otherwise"
        )
        edits = tuple(TextEdit(end, end, ', map_location="cpu"') for end in (_end_of(load, ctx) for load in loads))
        return judgement(
            site, row, ctx, verdict=Verdict.REVIEW, note=note, edits=edits, rename=result.rename, group=group
        )
    return msgspec.structs.replace(result, group=group)


def _labelled(site: Site, ctx: Context) -> bool:
    """Whether the answer stands with a text that says CUDA: ``print("CUDA available:", torch.cuda.is_available())``."""
    around = ctx.outline().expressions(site.start, site.end)
    if any(isinstance(node, ast.Dict) for node in around):
        return False  # what has a key may be a setting
    texts = (part for node in around if isinstance(node, ast.JoinedStr | ast.Call) for part in ast.walk(node))
    return any(isinstance(text, ast.Constant) and _CUDA.search(str(text.value)) for text in texts)


def _says_where_to_load(site: Site, ctx: Context) -> bool:
    """Whether the answer decides nothing but whether a file is loaded to the CPU: `if not there: map_location = "cpu"`.

    Loaded as it was saved, it needs CUDA where CUDA saved it.
    """
    arms = _arms(site, ctx) or ((), ())
    there, missing = ("\n".join(map(ast.unparse, arm)) for arm in arms)
    assigned = [t for arm in arms for s in arm if isinstance(s, ast.Assign) for t in s.targets]
    chosen = {dotted(t) or "" for t in assigned} or {(flag(site, ctx) or b"").decode()}
    if any(arms) and all(_is_location(name, site, ctx) for name in chosen):
        there, missing = f"map_location = {there}", f"map_location = {missing}"
    return _TO_CPU.search(missing) is not None and not (_TO_CPU.search(there) or _ON_DEVICE.search(there))


def _is_location(name: str, site: Site, ctx: Context) -> bool:
    """Whether all that the function around a test reads a variable for is to pass it as ``map_location``."""
    if not name:
        return False
    home = ctx.outline().home(name, site.start)
    named = (n for n in ctx.outline().named(home, name) if isinstance(n, ast.Name))
    loads = [node for node in named if isinstance(node.ctx, ast.Load)]
    return bool(loads) and ctx.once(_locations, home).issuperset(loads)


def _locations(ctx: Context, home: ast.AST) -> set[ast.expr]:
    """What a part of the file passes as ``map_location``."""
    return {given.value for given in ctx.outline().all_of(home, ast.keyword) if given.arg == "map_location"}


def _arms(site: Site, ctx: Context) -> tuple[Sequence[ast.AST], Sequence[ast.AST]] | None:
    """What runs where the answer is yes, and where it is no, of a condition that asks nothing else."""
    if b"map_location" not in ctx.source.text:
        return None
    outline = ctx.outline()
    around: list[ast.AST] = [*outline.around(site.start)[-1:], *outline.expressions(site.start, site.end)]
    for node in around:
        there: Sequence[ast.AST]
        missing: Sequence[ast.AST]
        match node:
            case ast.If(test=test, body=there, orelse=missing):
                pass
            case ast.IfExp(test=test, body=value, orelse=instead):
                there, missing = [value], [instead]
            case _:
                continue
        asked = test.operand if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not) else test
        if not outline.span(asked).holds(site.start) or not isinstance(asked, ast.Call):
            return None
        return (there, missing) if asked is test else (missing, there)
    return None


def _loaded_as_saved(site: Site, ctx: Context) -> Iterator[ast.Call]:
    """Files that are read as CUDA saved them where it is there, and to the CPU elsewhere: ``torch.load(path)``."""
    there, missing = _arms(site, ctx) or ((), ())
    if _TO_CPU.search("\n".join(map(ast.unparse, missing))):
        for node in (inner for part in there for inner in ast.walk(part)):
            match node:
                case ast.Call(func=function, args=[ast.expr()], keywords=keywords) if all(
                    keyword.arg not in (None, "map_location") for keyword in keywords
                ):
                    if full_name(dotted(function) or "", site.scope, ctx) == "torch.load":
                        yield node


def _end_of(call: ast.Call, ctx: Context) -> int:
    """Where the last argument of a call ends."""
    return max(ctx.outline().span(part).end for part in (*call.args, *(k.value for k in call.keywords)))


def _chosen(site: Site, ctx: Context) -> Site | None:
    """The device that the question chooses, where the target has one in any case: then the choice goes."""
    if not ctx.target.current or site.call is None or site.parent != "test":
        return None
    devices = (s for s in ctx.where("parent", "IfExp") if s.kind == "device")
    return next((s for s in devices if any(g.start == site.call.start for g in s.guards[:1])), None)
