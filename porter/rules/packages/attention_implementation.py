"""Attention kernels for CUDA: flash-attn, xFormers, `attn_implementation`.

## What CUDA does

`flash_attn_func` takes (batch, sequence, heads, head size) and computes exact attention without the full matrix.

## On Neuron

`torch.nn.functional.scaled_dot_product_attention` dispatches to a Neuron kernel. Its layout is (batch, heads, sequence, head size);
variable-length calls have no equivalent.

## Example

```py
AutoModel.from_pretrained(name, attn_implementation="flash_attention_2")
```

is reported: `"sdpa"` is the value for Neuron.
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judge_by_row


@rule("PRT704", "attention-implementation")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue."""
    return judge_by_row(site, row, ctx)
