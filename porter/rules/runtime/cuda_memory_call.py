"""Allocator calls and memory statistics of CUDA.

## What CUDA does

`torch.cuda.empty_cache()`, `max_memory_allocated()` and their kin read and steer the caching allocator.

## On Neuron

The common ones exist in `torch.neuron`. `memory_stats()` nests its keys (`stats["allocated_bytes"]["peak"]`), and
`mem_get_info()` does not exist. The allocator is asynchronous: synchronise before reading.

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
from porter.rules.table import judge_by_row


@rule("PRT202", "cuda-memory-call")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue."""
    return judge_by_row(site, row, ctx)
