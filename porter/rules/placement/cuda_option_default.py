"""A default of `"cuda"` makes every run that says nothing else ask for an NVIDIA GPU.

## What CUDA does

Defaults of parameters, dataclass fields and command-line options decide the device of most runs.

## On Neuron

`"neuron"` in the same place. Options that restrict their values (`choices=["cuda", "cpu"]`) must allow it:
porter changes default and choices together or not at all.

## When porter rewrites

The parameter, field or option must reach a device in this repository. Flags whose name speaks of CUDA (`--no-cuda`)
are names of your program: they stay.

## Example

```py
parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
```

becomes

```py
parser.add_argument("--device", default="neuron", choices=["neuron", "cpu"])
```
"""

from __future__ import annotations

import ast

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.placement.devices import judge_device
from porter.rules.table import judgement

_PLATFORMS = frozenset({"hip", "rocm"})  # PyTorch calls the devices of these "cuda"
_WHAT = {"default": "default of parameter", "field": "default of field", "option": "value of option"}


@rule("PRT107", "cuda-option-default")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge a default by where the parameter, field or option ends up."""
    if (platform := _platform(site, ctx)) is not None:
        advice = f"left as it is: beside `{platform}` it is what PyTorch is built for, and no device"
        return judgement(site, row, ctx, verdict=Verdict.PORTABLE, advice=advice, note=None)
    return judge_device(site, row, ctx, f'{_WHAT[site.use]} `{site.detail}` is `"{site.name}"`')


def _platform(site: Site, ctx: Context) -> str | None:
    """What stands beside ``"cuda"`` among an option's choices that is no device: ``choices=["cuda", "rocm"]``."""
    for call in ctx.outline().expressions(site.start, site.end):
        for keyword in call.keywords if isinstance(call, ast.Call) else ():
            match keyword:
                case ast.keyword("choices", ast.List(elts=words) | ast.Tuple(elts=words) | ast.Set(elts=words)):
                    values = {word.value for word in words if isinstance(word, ast.Constant)}
                    return next(iter(sorted(_PLATFORMS & values)), None)
    return None
