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

import re

import msgspec

from porter.catalog.schema import Row
from porter.index.site import Call, Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Judgement, TextEdit, rule
from porter.rules.placement.branches import together
from porter.rules.table import by_hand, judge_by_row, judgement
from porter.rules.uses import before, beside, judge_use, reads

_PROPERTIES = "torch.neuron.get_device_properties"
_KNOWN = frozenset({"name", "total_memory"})
_SHOWN = re.compile(rb"(?:[{:]|\b(?:print|str|repr)\()\s*\Z")


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
            return by_hand(site, row, ctx, f"the code reads `{'`, `'.join(unknown)}`, which {teller}")
    if site.name == "torch.cuda.is_bf16_supported" and site.call.arguments:
        return by_hand(site, row, ctx, "it takes no argument")
    found = judge_use(site, row, ctx)
    if isinstance(found, Dismissed) or site.parent != "BoolOp":
        return found
    return msgspec.structs.replace(found, group=together(site))  # what stands beside it changes with it


def _name(site: Site, call: Call, row: Row, ctx: Context) -> Judgement:
    if len(call.arguments) > 1 or any(a.keyword is not None for a in call.arguments):
        return by_hand(site, row, ctx)
    edits = [TextEdit(call.end, call.end, ".name")]
    if not call.arguments:
        if site.alias is not None or ctx.text(site.end, call.end) != "()":
            return by_hand(site, row, ctx, "it names no device: pass the index")
        root = ctx.text(site.start, site.end).partition(".")[0]
        edits = [TextEdit(call.end - 1, call.end, f"{root}.neuron.current_device()).name")]
    return judgement(site, row, ctx, edits=tuple(edits), rename=_PROPERTIES)


def _version(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """None on Neuron: harmless where it is shown, but not where it is parsed or tested."""
    if site.parent == "FormattedValue" or _SHOWN.search(before(site, ctx)):
        return judgement(site, row, ctx, verdict=Verdict.PORTABLE, advice="it is None on Neuron, and only shown here")
    return judge_by_row(site, row, ctx)
