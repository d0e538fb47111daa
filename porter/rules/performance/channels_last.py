"""A memory format that Neuron refuses.

## What CUDA does

`memory_format=torch.channels_last` speeds up convolutions on tensor cores.

## On Neuron

Tensors are contiguous or preserve their format; anything else raises RuntimeError. Asking for a format does no harm.

## Example

```py
model = model.to(memory_format=torch.channels_last)
```

is reported: leave the argument out.
"""

from __future__ import annotations

import re

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judge_by_row
from porter.rules.uses import before

_ASKED = re.compile(rb"\bis_contiguous\(\s*(?:memory_format\s*=\s*)?\Z")


@rule("PRT904", "channels-last", default=False)
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge where the format is set, not where it is asked for."""
    if site.parent == "Compare" or _ASKED.search(before(site, ctx)):
        return Dismissed(site, "agnostic")
    return judge_by_row(site, row, ctx)
