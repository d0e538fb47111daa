"""`DistributedDataParallel(device_ids=[...], output_device=...)` names the GPU of this process by its number.

## What CUDA does

One number per process: inputs are moved there. Several numbers: one process drives several GPUs.

## On Neuron

The number must be the local rank, or the arguments be left out: the module's own device decides. With the local rank
they work as they are.

## Example

```py
model = DistributedDataParallel(model, device_ids=[local_rank])
```

stays, while `device_ids=[0, 1]` is reported.
"""

from __future__ import annotations

import ast

import msgspec

from porter.catalog.schema import Row
from porter.index.site import Argument, Site
from porter.model import Effort, Verdict
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.placement.devices import ON_ACCELERATOR, is_chosen, judge_none_elsewhere
from porter.rules.table import judge_by_row, judgement


@rule("PRT503", "ddp-device-ids")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """One device by a computed number is the local rank, as far as a reader can tell; fixed numbers are not."""
    if site.kind != "argument" or ctx.target.name == "xla":
        return judge_by_row(site, row, ctx)
    text = ctx.text(site.start, site.end)
    if text == "None":
        return Dismissed(site, "agnostic")
    if ctx.target.keeps_cuda:
        if (argument := _said_before(site, ctx)) is not None and site.call is not None:
            from porter.rewrite.calls import CallEditor

            edits = CallEditor(ctx.source.text, site.call).remove(argument).edits()
            return judgement(site, row, ctx, note="it is the one of `device_ids` anyway", edits=edits)
        if site.name.endswith("(device_ids)") and is_chosen(text, site, ctx):
            return judgement(site, row, ctx, verdict=Verdict.PORTABLE, advice="chosen where it is set")
        return judge_none_elsewhere(site, row, ctx, ON_ACCELERATOR)
    if not _is_fixed(ast.parse(f"({text})", mode="eval").body):
        return judgement(site, row, ctx, verdict=Verdict.PORTABLE, advice="works as it is with the local rank")
    message = f"`{site.name.rpartition('(')[2][:-1]}={' '.join(text.split())}` names devices by number"
    advice = "pass the local rank, or leave the argument out: the module's device decides"
    found = judgement(site, row, ctx, verdict=Verdict.MANUAL, message=message, advice=advice)
    return msgspec.structs.replace(found, effort=Effort.MINUTES)


def _said_before(site: Site, ctx: Context) -> Argument | None:
    """The argument ``output_device``, where it is the only one of ``device_ids``: the default."""
    call = site.call
    if call is None or not ctx.edits or not site.editable or not site.name.endswith("(output_device)"):
        return None
    argument = next((a for a in call.arguments if a.start == site.start), None)
    ids = call.get("device_ids", 1)
    only = ast.parse(f"({ctx.text(ids.start, ids.end)})", mode="eval").body if ids is not None else None
    if argument is None or not isinstance(only, ast.List) or len(only.elts) != 1:
        return None
    value = ast.parse(f"({ctx.text(argument.start, argument.end)})", mode="eval").body
    return argument if ast.dump(value) == ast.dump(only.elts[0]) else None


def _is_fixed(node: ast.expr) -> bool:
    """Whether an expression gives a literal number or device, or more than one."""
    if isinstance(node, (ast.List, ast.Tuple)):
        return len(node.elts) > 1 or any(_is_fixed(element) for element in node.elts)
    if isinstance(node, ast.IfExp):
        return _is_fixed(node.body) or _is_fixed(node.orelse)
    if isinstance(node, ast.Call):
        called = node.func.id if isinstance(node.func, ast.Name) else ""
        return called == "range" or (called in ("list", "tuple") and any(_is_fixed(a) for a in node.args))
    return isinstance(node, ast.ListComp) or (isinstance(node, ast.Constant) and node.value is not None)
