"""`torch.compile` told to use Inductor, CUDA graphs or dynamic shapes.

## What CUDA does

Inductor writes Triton kernels; `mode="reduce-overhead"` and `"max-autotune"` use CUDA graphs; `dynamic=True` compiles for
all sizes at once.

## On Neuron

The backend is `"neuron"`, chosen by itself for tensors on a Neuron device. `mode` is ignored with a warning, `dynamic=True`
is rejected, `options` of Inductor mean nothing. `fullgraph=True` is recommended. A plain `torch.compile(model)` works.

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

from porter.catalog.schema import Row
from porter.index.site import Call, Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import by_hand, judge_by_row, judgement

_BACKENDS = frozenset({"inductor", "cudagraphs", "tensorrt", "torch_tensorrt", "nvprims_nvfuser", "onnxrt"})
_MODES = frozenset({"reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"})
_COMPILE = frozenset({"torch.compile", "torch.nn.Module.compile"})


@rule("PRT601", "compile-backend")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge one call of ``torch.compile`` with all its arguments."""
    if site.kind == "argument" and site.name.partition("(")[0].lstrip(".") in (*_COMPILE, "compile"):
        return Dismissed(site, "part")
    if site.name not in _COMPILE or site.call is None:
        return judge_by_row(site, row, ctx) if site.name not in _COMPILE else Dismissed(site, "agnostic")
    problems = _problems(site.call)
    if not problems:
        return judgement(site, row, ctx, verdict=Verdict.PORTABLE, advice="the backend is chosen by the device")
    message = f"`torch.compile` with {', '.join(f'`{p}`' for p in problems)}"
    if site.call.unpacked:
        return by_hand(site, row, ctx, message=message)
    return _rewritten(site, site.call, row, ctx, message)


def _problems(call: Call) -> list[str]:
    """The arguments that mean CUDA, as they are written."""
    found = []
    for name, bad in (("backend", _BACKENDS), ("mode", _MODES)):
        argument = call.get(name)
        if argument is not None and argument.literal in bad:
            found.append(f'{name}="{argument.literal}"')
    dynamic = call.get("dynamic")
    if dynamic is not None and dynamic.literal is True:
        found.append("dynamic=True")
    if call.get("options") is not None:
        found.append("options=...")
    return found


def _rewritten(site: Site, call: Call, row: Row, ctx: Context, message: str) -> Judgement:
    if not ctx.edits:
        return judgement(site, row, ctx, verdict=Verdict.REVIEW, message=message)
    from porter.rewrite.calls import CallEditor

    editor = CallEditor(ctx.source.text, call)
    backend, mode, dynamic, options = (call.get(n) for n in ("backend", "mode", "dynamic", "options"))
    if backend is not None and backend.literal in _BACKENDS:
        editor.replace(backend, f'"{ctx.target.compiler}"')
    if mode is not None and mode.literal in _MODES:
        editor.remove(mode)
    if dynamic is not None and dynamic.literal is True:
        editor.replace(dynamic, "False")
    if options is not None:
        editor.remove(options)
    return judgement(
        site,
        row,
        ctx,
        verdict=Verdict.REVIEW,
        message=message,
        advice=f'use `backend="{ctx.target.compiler}"`, fixed shapes and no `mode`',
        edits=editor.edits(),
    )
