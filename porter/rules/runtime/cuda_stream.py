"""CUDA streams and events: side queues of work, and timestamps in them.

## What CUDA does

`torch.cuda.Stream` overlaps copies and kernels; `torch.cuda.Event(enable_timing=True)` measures them.

## On Neuron

The same methods on `torch.neuron.Stream` and `torch.neuron.Event`. Both are functions that take keywords only, so
`isinstance(x, torch.neuron.Stream)` and subclasses do not work: the classes are `torch_neuronx.Stream` and
`torch_neuronx.Event`. Events cannot be shared between processes.

## Example

```py
start = torch.cuda.Event(enable_timing=True)
```

becomes

```py
start = torch.neuron.Event(enable_timing=True)
```
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import action_of, by_hand, judge_by_row, judgement

# What the constructors take by position on CUDA, and what they do not take on Neuron.
_PARAMETERS = {"Stream": ("device", "priority"), "Event": ("enable_timing", "blocking", "interprocess")}


@rule("PRT203", "cuda-stream")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge a stream or event; constructors take keywords only on Neuron."""
    name = site.name.rpartition(".")[2]
    if name not in _PARAMETERS or action_of(ctx.answer(row)) != "rename":
        return judge_by_row(site, row, ctx)
    if site.role == "annotation":
        return judgement(site, row, ctx, verdict=Verdict.PORTABLE, advice="only a type: the name exists without CUDA")
    if site.role == "import":
        return judge_by_row(site, row, ctx)
    if site.call is None:
        return by_hand(site, row, ctx, f"used as a class, which `torch.neuron.{name}` is not; see `torch_neuronx.{name}`")
    return _constructed(site, row, ctx, _PARAMETERS[name])


def _constructed(site: Site, row: Row, ctx: Context, parameters: tuple[str, ...]) -> Judgement:
    call = site.call
    assert call is not None
    if call.unpacked or call.get("interprocess", 2 if len(parameters) == 3 else None) is not None:
        return by_hand(site, row, ctx, "its arguments have no equivalent, or cannot be seen")
    if not ctx.edits or all(a.keyword for a in call.arguments):
        return judge_by_row(site, row, ctx)
    from porter.rewrite.calls import CallEditor

    editor = CallEditor(ctx.source.text, call)
    positional = [a for a in call.arguments if a.keyword is None]
    for argument, parameter in reversed(list(zip(positional, parameters, strict=False))):
        editor.rename_keyword(argument, parameter)
    edits = editor.edits()
    if edits is None:
        return by_hand(site, row, ctx)
    return judgement(site, row, ctx, edits=edits, rename=ctx.answer(row).replacement)
