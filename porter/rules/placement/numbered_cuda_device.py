"""A numbered device (`cuda:0`, `f"cuda:{rank}"`) chooses one of several GPUs of one process.

## What CUDA does

One process sees all GPUs of the machine and may drive several of them.

## On Neuron

A process in a distributed run owns exactly one core, and the only valid index is its local rank, from
`init_process_group` on. Outside distributed runs the index counts the visible logical cores.

## When porter rewrites

Where a tensor is put on device 0 it goes to the process's own, `"neuron"`: in a distributed run that has the number of
the local rank, and no process but the first may say `neuron:0`. Elsewhere device 0, and one numbered by what a program
calls its own (`rank`, `local_rank`, `gpu`, `LOCAL_RANK`) or passes as a `rank`, keep their number, with verdict
`review`. A file that names two different numbers, a loop over devices, and an index that is computed or picked from a
list choose among devices of one process: that wants a new design (DTensor, FSDP2 or pipeline stages, one process per
core), and porter leaves it. It leaves the one device that a function takes of a list (`ids[0]`), too: only what is in
the list tells whether it is the process's own.

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

import msgspec

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.placement.devices import argument_around, judge_device, one_of_a_list, one_of_several
from porter.rules.placement.evidence import evidence
from porter.rules.placement.indices import computed, is_counted, is_own, picked
from porter.rules.spelling import device_type
from porter.rules.table import sentence

_OWN = "the device of the process: in a distributed run its number is the local rank, not 0"


@rule("PRT106", "numbered-cuda-device")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge ``cuda:N`` by whether N is this process's own device, or one of several."""
    what = f'numbered device `"{site.name}"`'
    if ctx.target.keeps_cuda or evidence(site, ctx) is None or argument_around(site, ctx) is not None:
        return judge_device(site, row, ctx, what)
    numbers = {s.name for s in ctx.sites if s.kind == "device" and s.name[5:].isdigit() and s.use != "compare"}
    if any(s.kind == "device" and s.name == "cuda:{}" and is_counted(s, ctx) for s in ctx.sites):
        numbers.add("cuda:{}")
    others = ", ".join(f"`{name}`" for name in sorted(numbers - {site.name}))
    if site.name in numbers and others:
        return one_of_several(site, row, ctx, f"{what} beside {others}")
    if site.name == "cuda:{}":
        index = computed(site, ctx)
        if devices := picked(index, site, ctx):
            return one_of_a_list(site, row, ctx, index, devices)
        if not is_own(index, site, ctx):
            return one_of_several(site, row, ctx, f"a device numbered by `{index}`" if index else what)
    result = judge_device(site, row, ctx, what)
    if site.name != "cuda:0" or not isinstance(result, Judgement) or not result.edits or not _places(site, ctx):
        return result
    advice = sentence(f'write `"{ctx.target.device}"`', _OWN)
    return msgspec.structs.replace(result, edits=ctx.edit(site.start, site.end, device_type(site, ctx)), advice=advice)


def _places(site: Site, ctx: Context) -> bool:
    """Whether a tensor is made or put where the string says, and nothing else reads it."""
    taker = site.detail.strip("`()")
    puts = taker in (".to", ".to_empty") or ctx.project.types.returns(taker) == "torch.Tensor"
    return ctx.target.numbered and site.sink == "device" and site.use == "argument" and puts
