"""Questions about one vendor's hardware: compute capability, architecture, names, utilisation.

## What CUDA does

Code chooses kernels, dtypes and tile sizes by `get_device_capability()` or the GPU's name.

## On Neuron

`torch.neuron.get_device_properties(i)` has `name` and `total_memory`, nothing else. There is no compute capability:
ask for the feature you need instead (`torch.neuron.is_bf16_supported()`). `torch.version.cuda` is None.

## When porter rewrites

Properties of which nothing but `name` and `total_memory` is read. The name of the device is read from its properties,
since `torch.neuron.get_device_name` names the device as `"neuron:0"`.

## Example

```py
name = torch.cuda.get_device_name(0)
```

becomes

```py
name = torch.neuron.get_device_properties(0).name
```
"""

from __future__ import annotations

import ast

import msgspec

from porter.catalog.schema import Row
from porter.index.outline import Span, dotted
from porter.index.site import Call, Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Judgement, TextEdit, rule
from porter.rules.placement.behind import blocks, together
from porter.rules.placement.evidence import evidence
from porter.rules.placement.flags import flag, only_denied
from porter.rules.table import by_hand, judge_by_row, judgement
from porter.rules.uses import beside, is_shown, judge_use, reads

_PROPERTIES = "torch.neuron.get_device_properties"
_KNOWN = frozenset({"name", "total_memory"})


@rule("PRT206", "cuda-device-properties")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by what is done with the answer."""
    if site.name == "torch.version.cuda":
        return _version(site, row, ctx)
    if site.call is None or ctx.target.name == "xla":
        return judge_use(site, row, ctx)
    if (other := beside(site, ctx)) is not None and ctx.answer(row).verdict in (Verdict.AUTO, Verdict.REVIEW):
        return by_hand(site, row, ctx, f"`{other.name}` stands beside it: decide the whole condition")
    if site.name == "torch.cuda.get_device_name" and ctx.target.name == "neuron":
        return _name(site, site.call, row, ctx)
    if site.name == "torch.cuda.get_device_properties":
        unknown = sorted(reads(site, site.call, ctx) - _KNOWN)
        if unknown:
            teller = "not every device tells" if ctx.target.keeps_cuda else "Neuron does not tell"
            advice = f"the code reads `{'`, `'.join(unknown)}`, which {teller}: write what they decide"
            return judgement(site, row, ctx, verdict=Verdict.MANUAL, advice=advice)
    if site.name == "torch.cuda.is_bf16_supported" and site.call.arguments:
        return by_hand(site, row, ctx, "it takes no argument")
    found = judge_use(site, row, ctx)
    if isinstance(found, Dismissed) or site.parent != "BoolOp":
        return found
    return msgspec.structs.replace(found, group=together(site))  # what stands beside it changes with it


def _name(site: Site, call: Call, row: Row, ctx: Context) -> Judgement:
    if (asked := _looked_for(site, ctx)) is not None:
        advice = f"line {asked.lineno} looks for `{ast.unparse(asked)}` in it: add Neuron's chips (`trn2`) there"
        return judgement(site, row, ctx, verdict=Verdict.MANUAL, advice=advice)
    if len(call.arguments) > 1 or any(a.keyword is not None for a in call.arguments):
        return by_hand(site, row, ctx)
    edits = [TextEdit(call.end, call.end, ".name")]
    if not call.arguments:
        if site.alias is not None or ctx.text(site.end, call.end) != "()":
            return by_hand(site, row, ctx, "it names no device: pass the index")
        root = ctx.text(site.start, site.end).partition(".")[0]
        edits = [TextEdit(call.end - 1, call.end, f"{root}.neuron.current_device()).name")]
    return judgement(site, row, ctx, edits=tuple(edits), rename=_PROPERTIES)


def _looked_for(site: Site, ctx: Context) -> ast.expr | None:
    """What the GPU's name is compared with or searched for, at once or by the name that it is given."""
    outline = ctx.outline()
    bound = (flag(site, ctx) or b"").decode()

    def asks(node: ast.expr) -> bool:
        if isinstance(node, ast.ListComp | ast.GeneratorExp):
            return False  # answers to what is asked within
        return outline.span(node).holds(site.start) or (bool(bound) and _reads(node, bound))

    for node in ast.walk(outline.innermost(site.start) or outline.tree):
        match node:
            case ast.Compare(left=part, ops=[ast.In() | ast.NotIn()], comparators=[whole]) if asks(whole):
                return part
            case ast.Compare(left=one, ops=[ast.Eq() | ast.NotEq()], comparators=[other]) if asks(one) or asks(other):
                return other if asks(one) else one
    return None


def _reads(node: ast.expr, name: str) -> bool:
    """Whether an expression is a variable, or what a method makes of it: ``name.lower()``."""
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        node = node.func.value
    return dotted(node) == name


def _version(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """None on Neuron: harmless where it is shown, but not where it is parsed or tested, by whatever name."""
    if ctx.where("alias", site.start):
        return Dismissed(site, "part")
    if is_shown(site, ctx):
        return judgement(site, row, ctx, verdict=Verdict.PORTABLE, advice="it is None on Neuron, and only shown here")
    if (kept := _keeps_out(site, ctx)) is not None:
        return judgement(site, row, ctx, verdict=Verdict.PORTABLE, advice=kept)
    return judge_by_row(site, row, ctx)


def _keeps_out(site: Site, ctx: Context) -> str | None:
    """``IS_CUDA = torch.version.cuda is not None``: what for, if every use of the name leads to what needs CUDA."""
    outline = ctx.outline()
    match outline.around(site.start)[-1:]:
        case [
            ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Compare(ops=[ast.IsNot()], comparators=[ast.Constant(value=None)])
                | ast.Call(func=ast.Name(id="bool")),
            )
        ]:
            pass
        case _:
            return None
    home = outline.home(name, site.start)
    if not only_denied(name, site, ctx) or (home is outline.tree and ctx.project.borrowed(f"{ctx.module}.{name}")):
        return None
    uses = [n for n in ast.walk(home) if isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load)]
    needs = [_needed(use, ctx) for use in uses]
    if not needs or any(need is None for need in needs):
        return None
    first = next(filter(None, needs))
    where, what = f"line {first.line}", f"`{first.name}`"
    return f"left as it is: `{name}` keeps {ctx.target.title} out of {where}, where {what} needs CUDA"


def _needed(use: ast.Name, ctx: Context) -> Site | None:
    """What needs CUDA where a flag is true; None where nothing does, something moves, or nothing else will do."""
    outline = ctx.outline()
    spans, place = list[Span](), outline.span(use)
    statement = outline.around(place.start)[-1]
    for node in (statement, *outline.expressions(place.start, place.end)):
        match node:
            case ast.UnaryOp(op=ast.Not()):
                return None
            case ast.BoolOp(op=ast.And(), values=values):
                spans += [span for span in map(outline.span, values) if span.start > place.start]
            case ast.If(test=test, body=body) if outline.span(test).holds(place.start):
                if _refused(node, outline.block(place.start)):
                    return None
                spans += map(outline.span, body)
            case ast.IfExp(test=test, body=value) if outline.span(test).holds(place.start):
                spans.append(outline.span(value))
    inside = [s for span in spans for s in ctx.nesting.starting(span.start, span.end)]
    if any(s.name.endswith(".cuda") or (s.kind == "device" and evidence(s, ctx) is not None) for s in inside):
        return None
    return next((s for s in inside if s.kind != "device" and blocks(s, ctx)), None)


def _refused(branch: ast.If, block: list[ast.stmt]) -> bool:
    """Whether the program fails where none of a chain's tests hold."""
    last: list[ast.stmt] = [branch]
    while len(last) == 1 and isinstance(last[0], ast.If) and last[0].orelse:
        last = last[0].orelse
    if isinstance(last[0], ast.If):  # no `else`: what follows the chain
        last = block[block.index(branch) + 1 :] if branch in block else []
    return any(isinstance(statement, ast.Raise) for statement in last[:1])
