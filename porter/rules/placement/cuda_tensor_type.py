"""Legacy tensor types that name CUDA: `torch.cuda.FloatTensor`, and the same as a string.

## What CUDA does

A type stands for dtype and device at once: constructor, conversion and test.

## On Neuron

There are no such types. dtype and device are said apart: `torch.tensor(..., dtype=..., device="neuron")`,
`x.to("neuron", torch.float32)`, `x.dtype == torch.float32`.

## When porter rewrites

`torch.cuda.FloatTensor([...])` from a list, `.type(torch.cuda.FloatTensor)`, and comparisons `x.type() == "torch.cuda.HalfTensor"`.
Sizes and data look alike in other constructor calls (`FloatTensor(n)`): those are left to you.

## Example

```py
x = torch.cuda.FloatTensor([1.0, 2.0])
```

becomes

```py
x = torch.tensor([1.0, 2.0], dtype=torch.float32, device="neuron")
```
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import by_hand, judge_by_row, judgement

DTYPES = {
    "Float": "float32",
    "Double": "float64",
    "Half": "float16",
    "BFloat16": "bfloat16",
    "Byte": "uint8",
    "Char": "int8",
    "Short": "int16",
    "Int": "int32",
    "Long": "int64",
    "Bool": "bool",
}


@rule("PRT105", "cuda-tensor-type")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge a tensor type by how it is used."""
    dtype = DTYPES.get(site.name.rpartition(".")[2].removesuffix("Tensor"))
    if dtype is None or not ctx.edits:
        return judge_by_row(site, row, ctx)
    if site.kind == "symbol" and site.call is not None and site.alias is None:
        return _constructed(site, row, ctx, dtype)
    return by_hand(site, row, ctx, f"say dtype (`torch.{dtype}`) and device apart")


def _constructed(site: Site, row: Row, ctx: Context, dtype: str) -> Judgement:
    """From one list: data, for sure. Anything else may be sizes."""
    call = site.call
    assert call is not None
    torch = ctx.text(site.start, site.end).partition(".")[0]
    if len(call.arguments) == 1 and ctx.source.text[call.arguments[0].start : call.arguments[0].start + 1] == b"[":
        from porter.rewrite.calls import CallEditor

        extra = f'dtype={torch}.{dtype}, device="{ctx.target.device}"'
        edits = CallEditor(ctx.source.text, call).append(extra).edits()
        name = ctx.edit(site.start, site.end, f"{torch}.tensor")
        return judgement(site, row, ctx, verdict=Verdict.REVIEW, edits=(*name, *edits) if edits else None)
    return by_hand(site, row, ctx, f'`{torch}.tensor(data, dtype=...)` or `{torch}.empty(sizes, dtype=...)`: only you can tell')
