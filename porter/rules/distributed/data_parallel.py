"""One process that drives several GPUs: `nn.DataParallel`, `mp.spawn` over devices.

## What CUDA does

`nn.DataParallel` splits each batch over the GPUs of one process.

## On Neuron

One process owns one core: there is no second device to split a batch over. `torchrun` starts a process for each, and
`DistributedDataParallel` sums their gradients.

## What to do

```py
model = nn.DataParallel(Net().cuda())
loader = DataLoader(dataset, batch_size=64, shuffle=True)
for epoch in range(epochs):
    train(model, loader)
torch.save(model.module.state_dict(), path)
```

becomes a program for `torchrun --nproc_per_node=auto train.py`, where the batch is each process's own:

```py
dist.init_process_group("neuron")
model = DistributedDataParallel(Net().to("neuron"))
sampler = DistributedSampler(dataset, shuffle=True)
loader = DataLoader(dataset, batch_size=64 // dist.get_world_size(), sampler=sampler, drop_last=True)
for epoch in range(epochs):
    sampler.set_epoch(epoch)
    train(model, loader)
if dist.get_rank() == 0:
    torch.save(model.module.state_dict(), path)
dist.destroy_process_group()
```

A program that only infers needs no wrapper: each process calls the model itself, with its share of the data. What was
saved with the wrapper has `module.` before its keys.

A model that is split over `cuda:0` and `cuda:1` of one process needs tensor or pipeline parallelism instead.

So does `model.parallelize()` of transformers before 5, which fails where there is no GPU.

Asking `isinstance(model, nn.DataParallel)` does no harm.

## Example

```py
model = nn.DataParallel(model)
```

is reported: the launch changes with it, which no rewrite of a line can do.
"""

from __future__ import annotations

import re

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.counterpart import judge_counterpart
from porter.rules.placement.flags import counted
from porter.rules.table import by_hand, judgement
from porter.rules.uses import asks_class, judge_use

_NO_GRADIENTS = re.compile(rb"\.eval\(\)|\bno_grad\b|\binference_mode\b")
_SPREADS = ".parallelize"  # of transformers' models, unless a class of the program has one
_TRANSFORMERS = re.compile(rb"^[ \t]*(?:from|import)[ \t]+transformers\b", re.M)
_TRAINING = re.compile(rb"\.backward\(|\.train\((?!False)|\boptim|\bloss", re.I)


@rule("PRT502", "data-parallel")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge what splits a batch, not questions about it."""
    if asks_class(site, ctx):
        return Dismissed(site, "agnostic")
    if site.name.endswith(_SPREADS):
        if not _spreads(site, ctx):
            return Dismissed(site, "own")
        return judgement(site, row, ctx, message=f"`{_SPREADS}()` {row.summary}")
    if ctx.target.keeps_cuda and counted(site, ctx):
        advice = "left as it is: it runs only where there are several devices of one process"
        return judgement(site, row, ctx, verdict=Verdict.PORTABLE, advice=advice)
    if not ctx.target.keeps_cuda and site.name.endswith(".DataParallel") and site.role == "call" and _infers(ctx):
        advice = "nothing is trained here: call the model itself, and give each process its share of the data"
        note = "A checkpoint that was saved with the wrapper has `module.` before its keys."
        return judgement(site, row, ctx, advice=advice, note=note)
    if row.signature is not None and site.role != "import":
        return _started(site, row, ctx)
    return judge_use(site, row, ctx)


def _spreads(site: Site, ctx: Context) -> bool:
    """Whether ``.parallelize()`` is that of transformers: of a module, or without arguments of what nobody knows."""
    told = site.kind == "method" and (site.call is None or site.call.arguments or not ctx.says(_TRANSFORMERS))
    return not told and not ctx.project.method_somewhere(_SPREADS[1:])


def _infers(ctx: Context) -> bool:
    """Whether the file asks for no gradients, and speaks of nothing that training takes."""
    return ctx.says(_NO_GRADIENTS) and not ctx.says(_TRAINING)


def _started(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """``mp.spawn`` as the target has it; there only the processes themselves know how many they are."""
    counted = next((s for s in ctx.where("name", "torch.cuda.device_count") if not _within(s, site)), None)
    result = judge_counterpart(site, row, ctx)
    if isinstance(result, Judgement) and result.edited and counted is not None:
        why = (
            f"line {counted.line} counts devices before the processes start: they ask `torch_xla.runtime.world_size()`"
        )
        return by_hand(site, row, ctx, why)
    return result


def _within(site: Site, call: Site) -> bool:
    return call.call is not None and call.call.start <= site.start and site.end <= call.call.end
