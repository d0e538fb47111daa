"""Apex's automatic mixed precision, `apex.amp`: torch has its own, and bfloat16 needs no scaling.

## What CUDA does

`amp.initialize` patches PyTorch's functions to cast to float16, for the whole process (O1), or casts the model and
keeps float32 copies of its parameters in the optimizer (O2; O3 keeps none). `amp.scale_loss` keeps float16 gradients
from underflowing, and skips steps that overflow.

## On Neuron

`torch.autocast` with bfloat16 around the forward pass and the loss; the backward pass as it is, without scaling; the
parameters in float32, as the copies of O2 are.

## When porter rewrites

All uses of a file, or none: half of it trains in another precision without a word. `initialize` goes; the block of
`scale_loss` becomes its body, with the loss itself; `master_params(optimizer)` the parameters of the optimizer;
`state_dict()` becomes `{}`, so that checkpoints keep their layout, and `load_state_dict` goes: old checkpoints load.
Where a switch chooses between two arms that come to the same without Apex, the plain arm takes its place.

Autocast stands around the statements that compute the loss, from the first call of a model to the loss itself: porter
follows the loss back through the block of its backward pass, and the model from `initialize` to there, also into a
function of the file. What turned Apex on turns autocast on (`enabled=`), and so does a level that an option chooses:
`O0` is float32. The statements are wrapped because this is what people write, and what a review can see; a decorated
`model.forward` would yield outputs in bfloat16 to a loss outside of autocast, and goes on calling the original from
copies of the model (EMA, `DataParallel`). Autocast for the whole process (`torch.set_autocast_enabled`) would be what
O1 is, but runs the backward pass under autocast too, and keeps casts of weights that the optimizer has changed.

For `portable` all of it is yours to port: on CUDA float16 and its scaling stay, for that is what the program does.

porter leaves it to you, and says where to enter autocast, where the loss is passed in from elsewhere, where another
file of the program uses Apex too, where a condition may mean something else in the loop, and where the import may fail.

## Example

```py
from apex import amp

model, optimizer = amp.initialize(model, optimizer, opt_level="O1")
for x, y in loader:
    loss = criterion(model(x), y)
    with amp.scale_loss(loss, optimizer) as scaled_loss:
        scaled_loss.backward()
    optimizer.step()
```

becomes

```py
import torch

for x, y in loader:
    with torch.autocast("neuron", dtype=torch.bfloat16):
        loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()
```
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Edits, Judgement, rule
from porter.rules.counterpart import Lost
from porter.rules.precision.apex import INITIALIZE, PACKAGE, Uses, elsewhere, uses_of_amp
from porter.rules.precision.casting import Casting
from porter.rules.precision.unscaled import Unscaled
from porter.rules.table import by_hand, judge_by_row, judgement


@rule("PRT308", "apex-amp")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge one use by whether all of the file's can be edited; their import goes with them."""
    if site.role == "import":
        told = any(use.alias == site.start and use.call is not None for use, _ in uses_of_amp(ctx))
        return Dismissed(site, "part") if told else judge_by_row(site, row, ctx)
    if site.call is None:
        return judge_by_row(site, row, ctx)
    if ctx.answer(row).verdict is Verdict.MANUAL:
        return judgement(site, row, ctx)
    edits = ctx.once(_without_apex)
    if isinstance(edits, Lost):
        return by_hand(site, row, ctx, str(edits))
    return judgement(site, row, ctx, edits=edits[site.start], group=PACKAGE)


def _without_apex(ctx: Context) -> dict[int, Edits] | Lost:
    """The edits of the file's uses, by the start of their sites; or why one of them cannot be edited."""
    try:
        return _edits(ctx)
    except Lost as reason:
        return reason


def _edits(ctx: Context) -> dict[int, Edits]:
    uses = Uses(ctx)
    if not uses.of(INITIALIZE):
        raise Lost("`amp.initialize` is called in another file: port both together")
    if (other := elsewhere(ctx)) is not None:
        raise Lost(f"`{other}`, which this file imports, uses it as well: port both together")
    unscaled = Unscaled(uses)
    found = {use.site.start: unscaled.edits(use) for use in uses.all}
    for use, edits in Casting(uses).edits():
        found[use.site.start] += edits
    return {start: tuple(sorted(edits)) for start, edits in found.items()}
