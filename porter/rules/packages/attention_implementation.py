"""Attention kernels for CUDA: flash-attn, xFormers, `attn_implementation`.

## What CUDA does

`flash_attn_func` takes (batch, sequence, heads, head size) and computes exact attention without the full matrix.

## On Neuron

`torch.nn.functional.scaled_dot_product_attention` dispatches to a Neuron kernel. Its layout is (batch, heads, sequence,
head size); variable-length calls have no equivalent.

## Example

```py
AutoModel.from_pretrained(name, attn_implementation="flash_attention_2")
```

becomes

```py
AutoModel.from_pretrained(name, attn_implementation="sdpa")
```
"""

from __future__ import annotations

import re

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import by_hand, judge_by_row, judgement
from porter.rules.uses import is_asked_for

_CHOSEN = re.compile(rb"attn_implementation[\"']?\]?\s*[=:]\s*\Z")


@rule("PRT704", "attention-implementation")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge calls by the catalogue, and write another implementation where a name chooses one."""
    if is_asked_for(site, ctx):
        return Dismissed(site, "part")
    if site.kind != "string":
        return judge_by_row(site, row, ctx)
    if site.parent == "Compare":
        return Dismissed(site, "agnostic")
    if not _CHOSEN.search(ctx.source.text[max(0, site.start - 60) : site.start]):
        return by_hand(site, row, ctx)
    if not ctx.edits:
        return judgement(site, row, ctx)
    from porter.rewrite.calls import replace_in_string

    name = ctx.text(site.start, site.end).strip("rbuRBU\"'")
    edits = replace_in_string(ctx.source.text, site.start, site.end, name, ctx.answer(row).replacement)
    return judgement(site, row, ctx, edits=edits)
