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

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.placement.devices import judge_device

_WHAT = {"default": "default of parameter", "field": "default of field", "option": "value of option"}


@rule("PRT107", "cuda-option-default")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge a default by where the parameter, field or option ends up."""
    return judge_device(site, row, ctx, f'{_WHAT[site.use]} `{site.detail}` is `"{site.name}"`')
