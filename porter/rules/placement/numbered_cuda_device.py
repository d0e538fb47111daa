"""A numbered device (`cuda:0`, `f"cuda:{rank}"`) chooses one of several GPUs of one process.

## What CUDA does

One process sees all GPUs of the machine and may drive several of them.

## On Neuron

A process in a distributed run owns exactly one core, and the only valid index is its local rank, from
`init_process_group` on. Outside distributed runs the index counts the visible logical cores.

## When porter rewrites

Device 0, and one numbered by what a program calls its own (`rank`, `local_rank`, `gpu`, `LOCAL_RANK`), keep their
number: `neuron:0`, `f"neuron:{rank}"`, with verdict `review`. A file that names two different numbers, a loop over
devices, and an index that is computed or picked from a list choose among devices of one process: that wants a new
design (DTensor, FSDP2 or pipeline stages, one process per core), and porter leaves it. It leaves the one device that a
function takes of a list (`ids[0]`), too: only what is in the list tells whether it is the process's own.

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
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.placement.devices import argument_around, judge_device, one_of_a_list, one_of_several
from porter.rules.placement.evidence import evidence
from porter.rules.placement.indices import computed, is_own, picked


@rule("PRT106", "numbered-cuda-device")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge ``cuda:N`` by whether N is this process's own device, or one of several."""
    what = f'numbered device `"{site.name}"`'
    if ctx.target.keeps_cuda or evidence(site, ctx) is None or argument_around(site, ctx) is not None:
        return judge_device(site, row, ctx, what)
    numbers = {s.name for s in ctx.sites if s.kind == "device" and s.name[5:].isdigit() and s.use != "compare"}
    others = ", ".join(f"`{name}`" for name in sorted(numbers - {site.name}))
    if site.name in numbers and others:
        return one_of_several(site, row, ctx, f"{what} beside {others}")
    if site.name == "cuda:{}":
        index = computed(site, ctx)
        if devices := picked(index, site, ctx):
            return one_of_a_list(site, row, ctx, index, devices)
        if not is_own(index, site, ctx):
            return one_of_several(site, row, ctx, f"a device numbered by `{index}`" if index else what)
    return judge_device(site, row, ctx, what)
