"""Page-locked host memory for copies to an NVIDIA GPU.

## What CUDA does

`pin_memory=True` in a DataLoader and `tensor.pin_memory()` make copies asynchronous.

## On Neuron

Harmless: PyTorch pins for the accelerator that is there, and host memory counts as pinned with `torch_neuronx`. The
argument `pin_memory_device` is deprecated in PyTorch itself, which pins for the current accelerator whatever it says:
it goes.

## Example

```py
loader = DataLoader(data, pin_memory=True)
```

stays: it works on Neuron.
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.placement.devices import devices_inside
from porter.rules.table import judge_by_row, judgement


@rule("PRT401", "pinned-memory")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue; an argument that names CUDA is taken out."""
    if not site.name.endswith("(pin_memory_device)") or site.call is None:
        return judge_by_row(site, row, ctx)
    argument = next((a for a in site.call.arguments if a.start == site.start), None)
    if argument is None or not devices_inside(site, ctx):
        return Dismissed(site, "agnostic")
    if not ctx.edits:
        return judge_by_row(site, row, ctx)
    from porter.rewrite.calls import CallEditor

    edits = CallEditor(ctx.source.text, site.call).remove(argument).edits()
    return judgement(site, row, ctx, message="`pin_memory_device` names CUDA", edits=edits)
