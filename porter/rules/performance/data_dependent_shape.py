"""Shapes that depend on values compile again for every new shape, or not at all.

## What CUDA does

`nonzero`, `masked_select` and `unique` yield as many elements as the data say.

## On Neuron

`torch.compile` refuses them and every new shape is compiled anew, for a minute or more. Use `torch.where`,
`masked_fill` or `nonzero_static(size=...)`.

## Example

```py
index = torch.nonzero(mask)
```

is reported: `torch.nonzero_static(mask, size=n)`.
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judge_by_row


@rule("PRT902", "data-dependent-shape", default=False)
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue; repeating a fixed number of times gives a fixed shape."""
    if site.name.endswith("repeat_interleave") and site.call is not None:
        repeats = site.call.get("repeats", 0 if site.receiver is not None else 1)
        if repeats is not None and isinstance(repeats.literal, int):
            return Dismissed(site, "agnostic")
    return judge_by_row(site, row, ctx)
