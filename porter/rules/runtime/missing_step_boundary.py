"""A lazy device runs nothing until the program says that a step is over.

## What CUDA does

Every operation runs when it is called. Nobody has to say where a step ends.

## On Neuron

The native backend runs operations when they are called, too. PyTorch/XLA, the backend of Trn1 and Inf2, records them,
and compiles and runs what it has recorded when `torch_xla.sync()` is called or a value is read. Without a boundary
the graph grows from step to step, and so does the time to compile it.

`MpDeviceLoader` copies batches ahead of the loop and marks a step with each: a loop over it needs no `sync()`.

## When porter rewrites

Only for the target `xla`. A step is told by its shape: the innermost loop around `backward()` or an optimizer's
`step()`, or a loop without gradients that calls a model. Its end is behind the last of these in the loop's body: so
accumulated gradients get a boundary for each batch, and two optimizers (a GAN) one for both. A function that steps and
that a loop of the file calls leaves the boundary to that loop; one that nothing here calls has its own.

A loop over a `DataLoader` that moves what it gets to the device first is given an `MpDeviceLoader`; all others, and
those that may break off, a `torch_xla.sync()`, never both. Loops of trainers (Lightning, Accelerate, `Trainer`) are
theirs, and tests that speak of no device run on the CPU. Where the end cannot be seen, as with a closure for LBFGS,
porter says why and leaves it.

## Example

```py
for x, y in batches:
    loss = model(x, y)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
```

gets, behind the optimizer,

```py
    torch_xla.sync()
```
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Edits, Judgement, TextEdit, named, rule
from porter.rules.lines import line_behind
from porter.rules.spelling import expression
from porter.rules.table import by_hand, judgement
from porter.rules.uses import is_cpu_test

_LOADER = "torch_xla.distributed.parallel_loader.MpDeviceLoader"


@rule("PRT210", "missing-step-boundary")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Mark the end of the step at the site, by the loader where its loop has one that will do."""
    if is_cpu_test(site, ctx):
        return Dismissed(site, "agnostic")
    what = site.name.partition(" ")[0]
    if site.statement is None:
        return by_hand(site, row, ctx, site.detail, message="a step ends here, but porter does not see where")
    if site.receiver is not None:
        advice = f"iterate over `{_LOADER}(...)`, which marks a step with each batch"
        note = "a last batch of another size is compiled once more: `drop_last=True` avoids it"
        message = f"nothing marks the {what} steps of this loop"
        edits = _wrapped(site, ctx)
        return judgement(site, row, ctx, message=message, advice=advice, note=note, edits=edits)
    line = ctx.source.line(site.statement.end)
    message = f"the {what} step ends in line {line}, and nothing marks it"
    boundary = expression(ctx.answer(row).replacement)
    return judgement(site, row, ctx, message=message, edits=line_behind(site.statement, boundary, ctx))


def _wrapped(site: Site, ctx: Context) -> Edits:
    loader = site.receiver
    assert loader is not None
    device = expression(ctx.target.current)
    return (
        TextEdit(loader.start, loader.start, f"{named(_LOADER)}("),
        TextEdit(loader.end, loader.end, f", {device})"),
    )
