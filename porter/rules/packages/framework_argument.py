"""Arguments by which frameworks choose CUDA or fp16.

## What CUDA does

Hugging Face, Lightning, accelerate and DeepSpeed take the device, precision and strategy as arguments.

## On Neuron

transformers, accelerate, diffusers and TRL know Neuron and choose it themselves; prefer bf16. Lightning has no Neuron
accelerator, whether it is told one or looks for itself, and DeepSpeed no Neuron support. `device_map="auto"` leaves a
model on the CPU.

## When porter rewrites

Where the catalogue has an argument that does the same. `device_map="auto"` becomes `"neuron"` where the file moves what
the model is given to `"cuda"` by name, and so to one device; else a person decides whether the model fits one core.

## Example

```py
Trainer(accelerator="gpu")
```

is reported.
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judge_by_row, judgement
from porter.rules.uses import is_asked_for

_SHARDED = '`tp_plan="auto"` under torchrun'
_LIGHTNING = "lightning.Trainer"
_OTHERS = frozenset({"handled", "vendors"})  # guards of code that other devices run as well


@rule("PRT703", "framework-argument")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue; what a class is only asked for is reported where it is made."""
    if is_asked_for(site, ctx) or (row.name == _LIGHTNING and not _chooses(site, row, ctx)):
        return Dismissed(site, "part")
    if (beside := _beside(site, ctx)) is not None:
        quote, device = ctx.text(site.start, site.start + 1), ctx.target.device
        note = f"line {beside.line} moves what it is given there by name; what does not fit one core is for {_SHARDED}"
        edits = ctx.edit(site.start, site.end, f"{quote}{device}{quote}")
        advice = f'write `device_map="{device}"`'
        return judgement(site, row, ctx, verdict=Verdict.REVIEW, advice=advice, note=note, edits=edits)
    return judge_by_row(site, row, ctx)


def _beside(site: Site, ctx: Context) -> Site | None:
    """What the file moves to CUDA by name, beside a whole model that it spreads over the devices there are."""
    if not site.name.endswith("(device_map)") or site.detail != "'auto'" or site.call is None:
        return None
    quantised = any((a.keyword or "").startswith(("quantization", "load_in_")) for a in site.call.arguments)
    if quantised or ctx.target.name != "neuron":
        return None
    moved = (s for s in ctx.sites if s.name == "torch.Tensor.cuda" or (s.name == "cuda" and s.detail == "`.to()`"))
    return next((s for s in moved if not any(guard.kind in _OTHERS for guard in s.guards)), None)


def _chooses(site: Site, row: Row, ctx: Context) -> bool:
    """Whether Lightning is left to choose the device, and no argument of the call is reported for it."""
    if site.call is None or site.call.get("gpus") is not None:  # before 2.0, where it takes the CPU unless told
        return False
    accelerator = site.call.get("accelerator", 0 if site.name.endswith("Fabric") else None)
    if accelerator is not None and accelerator.literal != "auto":
        return False
    arguments = (s for s in ctx.where("call", site.call) if s.kind == "argument")
    rows = ((s, ctx.catalogue.find(s.kind, s.name)) for s in arguments)
    told = (judge_by_row(s, found, ctx) for s, found in rows if found is not None and found.rule == row.rule)
    return not any(isinstance(t, Judgement) and t.verdict is ctx.answer(row).verdict for t in told)
