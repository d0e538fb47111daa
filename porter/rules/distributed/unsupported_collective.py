"""Collectives and hooks that the Neuron backend does not have.

## What CUDA does

NCCL offers monitored barriers, uneven all-to-all, communication hooks and options of its own.

## On Neuron

No `monitored_barrier`, no RPC device maps, no NCCL options, even splits only; barriers on the default group.

## Example

```py
dist.monitored_barrier()
```

is reported: use `dist.barrier()`.
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judge_by_row


@rule("PRT506", "unsupported-collective")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue."""
    return judge_by_row(site, row, ctx)
