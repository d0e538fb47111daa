"""`torch.compile` told to use Inductor, CUDA graphs or dynamic shapes.

## What CUDA does

Inductor writes Triton kernels; `mode="reduce-overhead"` and `"max-autotune"` use CUDA graphs; `dynamic=True` compiles
for all sizes at once.

## On Neuron

The backend is `"neuron"`, chosen by itself for tensors on a Neuron device. `mode` is ignored with a warning,
`dynamic=True` is rejected, `options` of Inductor mean nothing. `fullgraph=True` is recommended. A plain
`torch.compile(model)` works.

## When porter rewrites

One call with all its arguments, as a function or as a decorator. Values that are not literals stay: whoever sets them
chooses. What is handed to `functools.partial` or unpacked is left to a person.
`torch._dynamo.config.automatic_dynamic_shapes = True` is turned off.

## Example

```py
model = torch.compile(model, mode="max-autotune", dynamic=True)
```

becomes

```py
model = torch.compile(model, dynamic=False)
```
"""

from __future__ import annotations

import re

from porter.catalog.schema import Row
from porter.index.site import Argument, Call, Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import by_hand, judge_by_row, judgement
from porter.rules.uses import before

_BACKENDS = frozenset({"inductor", "cudagraphs", "tensorrt", "torch_tensorrt", "nvprims_nvfuser", "onnxrt"})
_MODES = frozenset({"reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"})
_COMPILE = frozenset({"torch.compile", "torch.nn.Module.compile"})
_AUTOMATIC = "torch._dynamo.config.automatic_dynamic_shapes"
_TURNED_ON = re.compile(rb"\s*=\s*True\b")
_PARTIAL = re.compile(rb"\bpartial\(\s*\Z")
_TOLD = re.compile(
    rb"\s*,[^()]*?\b(?:mode\s*=\s*[\"'](?:red|max)|dynamic\s*=\s*True|options\s*=|backend\s*=\s*[\"']ind)"
)


@rule("PRT601", "compile-backend")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge one call of ``torch.compile`` with all its arguments."""
    if site.kind == "argument" and site.name.partition("(")[0].lstrip(".") in (*_COMPILE, "compile"):
        return Dismissed(site, "part")
    if site.name == _AUTOMATIC:
        return _automatic(site, row, ctx)
    if site.name not in _COMPILE or ctx.target.name != "neuron":
        return judge_by_row(site, row, ctx)
    if site.call is None:
        if _PARTIAL.search(before(site, ctx)) and _TOLD.match(ctx.source.text, site.end):
            return by_hand(site, row, ctx, message="`torch.compile` with arguments bound by `partial`")
        return Dismissed(site, "agnostic")
    wrong = _wrong(site.call)
    if not wrong:
        return Dismissed(site, "agnostic")
    named = ", ".join("`options=...`" if a.keyword == "options" else f"`{a.keyword}={a.literal!r}`" for a in wrong)
    message = f"`{site.name}` with {named}".replace("'", '"')
    if site.call.unpacked:
        return by_hand(site, row, ctx, message=message)
    return _rewritten(site, site.call, wrong, row, ctx, message)


def _automatic(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """``torch._dynamo.config.automatic_dynamic_shapes = True``, which is turned off."""
    turned_on = _TURNED_ON.match(ctx.source.text, site.end)
    if turned_on is None or ctx.answer(row).verdict is Verdict.PORTABLE:
        return Dismissed(site, "agnostic")
    edits = ctx.edit(turned_on.end() - len("True"), turned_on.end(), ctx.answer(row).replacement)
    return judgement(site, row, ctx, edits=edits if ctx.edits else ())


def _wrong(call: Call) -> list[Argument]:
    """The arguments that mean CUDA, or that Neuron refuses."""

    def is_wrong(argument: Argument) -> bool:
        match argument.keyword:
            case "backend":
                return argument.literal in _BACKENDS
            case "mode":
                return argument.literal in _MODES
            case "dynamic":
                return argument.literal is True
            case "options":
                return not argument.is_literal
        return False

    backend = call.get("backend")
    if backend is not None and isinstance(backend.literal, str) and backend.literal not in _BACKENDS:
        return []  # "eager" and its like take anything
    return [argument for argument in call.arguments if is_wrong(argument)]


def _rewritten(site: Site, call: Call, wrong: list[Argument], row: Row, ctx: Context, message: str) -> Judgement:
    if not ctx.edits:
        return judgement(site, row, ctx, verdict=Verdict.REVIEW, message=message)
    from porter.rewrite.calls import CallEditor

    editor = CallEditor(ctx.source.text, call)
    values = {"backend": f'"{ctx.target.compiler}"', "dynamic": "False"}
    told: list[str] = []
    for argument in wrong:
        if (value := values.get(argument.keyword or "")) is not None:
            editor.replace(argument, value)
            told.append(f"write `{argument.keyword}={value}`")
        else:
            editor.remove(argument)
            told.append(f"leave out `{argument.keyword}`")
    advice, edits = ", ".join(told), editor.edits()
    return judgement(site, row, ctx, verdict=Verdict.REVIEW, message=message, advice=advice, edits=edits)
