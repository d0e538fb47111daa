"""Allocator calls and memory statistics of CUDA.

## What CUDA does

`torch.cuda.empty_cache()`, `max_memory_allocated()` and their kin read and steer the caching allocator.

## On Neuron

The common ones exist in `torch.neuron`. `memory_stats()` nests its keys (`stats["allocated_bytes"]["peak"]`), and
`mem_get_info()` does not exist. The allocator is asynchronous: synchronise before reading.

## When porter rewrites

What exists in `torch.neuron`; statistics only where porter does not see CUDA's keys being read from them.

## Example

```py
peak = torch.cuda.max_memory_allocated()
```

becomes

```py
peak = torch.neuron.max_memory_allocated()
```
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import by_hand
from porter.rules.uses import judge_use, reads


@rule("PRT202", "cuda-memory-call")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue; statistics by what is read from them."""
    if site.call is not None and not ctx.target.keeps_cuda and site.name.rpartition(".")[2].startswith("memory_stats"):
        keys = sorted(key for key in reads(site, site.call, ctx) if key != "items")
        if keys:
            return by_hand(site, row, ctx, f"the code reads {', '.join(f'`{key}`' for key in keys)} by CUDA's keys")
    return judge_use(site, row, ctx)
