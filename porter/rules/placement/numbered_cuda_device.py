"""A numbered device (`cuda:0`, `f"cuda:{rank}"`) chooses one of several GPUs of one process.

## What CUDA does

One process sees all GPUs of the machine and may drive several of them.

## On Neuron

A process in a distributed run owns exactly one core, and the only valid index is its local rank, from
`init_process_group` on. Outside distributed runs the index counts the visible logical cores.

## When porter rewrites

A single number, or one computed from the rank, keeps its number: `neuron:0`, `f"neuron:{rank}"`, with verdict `review`.
A file that names two different numbers splits a model over devices of one process: that wants a new design
(DTensor, FSDP2 or pipeline stages, one process per core), and porter leaves it.

## Example

```py
device = torch.device(f"cuda:{local_rank}")
```

becomes

```py
device = torch.device(f"neuron:{local_rank}")
```
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.model import Effort, Verdict
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.placement.devices import evidence, judge_device
from porter.rules.table import judgement


@rule("PRT106", "numbered-cuda-device")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge ``cuda:N`` by whether the file names more than one N."""
    numbers = {s.name for s in ctx.sites if s.kind == "device" and s.name[5:].isdigit() and s.use != "compare"}
    if len(numbers) > 1 and evidence(site, ctx) is not None:
        import msgspec

        found = judgement(
            site,
            row,
            ctx,
            verdict=Verdict.MANUAL,
            message=f'one process drives several devices: `"{site.name}"` beside {", ".join(sorted(numbers - {site.name})) or "others"}',
            advice="run one process per core (torchrun) and split the model with DTensor, FSDP2 or pipeline stages",
        )
        return msgspec.structs.replace(found, effort=Effort.DAYS)
    return judge_device(site, row, ctx, f'numbered device `"{site.name}"`')
