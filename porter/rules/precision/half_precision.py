"""float16 chosen as the working precision: bfloat16 is the one that Neuron hardware is made for.

## What CUDA does

`.half()` and `dtype=torch.float16` halve memory and use the tensor cores; small gradients need scaling.

## On Neuron

float16 works. bfloat16 is as fast, has the range of float32, and needs no scaler: it is what the vendor recommends.

## When porter rewrites

`.half()` on a module or tensor becomes `.bfloat16()`, `dtype=torch.float16` and `torch_dtype=torch.float16` become
bfloat16, with verdict `review`, for results differ in their last digits. Comparisons and tables of dtypes stay.

## Example

```py
model = model.half()
```

becomes

```py
model = model.bfloat16()
```
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judgement

_CHOICES = frozenset({"dtype", "torch_dtype", "param_dtype", "reduce_dtype", "buffer_dtype"})


@rule("PRT305", "half-precision")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge a choice of float16; other mentions work as they are."""
    if site.name.endswith(".half") and site.receiver is not None:
        if site.kind == "method" or site.call is None or site.call.arguments or not site.editable:
            return judgement(site, row, ctx, verdict=Verdict.PORTABLE)
        edits = ctx.edit(site.end - len("half"), site.end, "bfloat16")
        return judgement(site, row, ctx, message="`.half()` chooses float16", edits=edits)
    chosen = _keyword(site, ctx) if site.role == "load" and site.parent == "keyword" else None
    if chosen is None or site.alias is not None:
        return judgement(site, row, ctx, verdict=Verdict.PORTABLE)
    name = ctx.text(site.start, site.end).rpartition(".")[0] + ".bfloat16"
    return judgement(site, row, ctx, message=f"`{chosen}` chooses float16", edits=ctx.edit(site.start, site.end, name))


def _keyword(site: Site, ctx: Context) -> str | None:
    """The keyword that the name is passed as, if it chooses a dtype."""
    before = ctx.source.text[max(0, site.start - 40) : site.start].rstrip()
    if not before.endswith(b"="):
        return None
    word = before[:-1].rstrip().replace(b"(", b" ").replace(b",", b" ").split()
    name = word[-1].decode(errors="replace") if word else ""
    return name if name in _CHOICES else None
