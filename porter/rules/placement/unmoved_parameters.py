"""Parameters that are taken from a model before it is moved to a device that gives it new ones.

## What CUDA does

`model.cuda()` puts the data of each parameter on the GPU and keeps the parameter: an optimizer that was made before
goes on with it, and weights that are tied stay tied.

## On Neuron

So it is on the native backend. Over PyTorch/XLA (Trn1, Inf2) `model.to(device)` gives the model new parameters, each by
itself. An optimizer of the old ones would step what nobody uses, and tied weights would go different ways, both without
any error.

## When porter rewrites

Only for the target `xla`. An optimizer whose model is moved behind it, in the same block and with nothing between that
uses it, is made behind the move. Weights that a class ties (`self.head.weight = self.embed.weight`) are tied again
where this file moves a model of that class. In all other cases porter says what to do.

## Example

```py
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
model.cuda()
```

becomes

```py
model.to("xla")
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
```
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.lines import line_behind
from porter.rules.table import by_hand, judgement


@rule("PRT110", "unmoved-parameters")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Put what is made too early behind the statement that moves the model."""
    if site.name == "early optimizer":
        return _optimizer(site, row, ctx)
    message = "weights are tied before the model is moved"
    if site.statement is None:
        return by_hand(site, row, ctx, "porter does not see where a model of this class is moved", message=message)
    if site.detail in ctx.source.text.decode():
        return Dismissed(site, "handled")
    message += f", in line {ctx.source.line(site.statement.start)}"
    return judgement(site, row, ctx, message=message, edits=line_behind(site.statement, site.detail, ctx))


def _optimizer(site: Site, row: Row, ctx: Context) -> Judgement:
    assert site.statement is not None and site.receiver is not None
    line = ctx.source.line(site.statement.start)
    message = f"an optimizer of `{site.receiver.why}` is made before line {line} moves the model"
    if site.detail:
        return by_hand(site, row, ctx, site.detail, message=message)
    from porter.rewrite.calls import delete_statement

    gone = delete_statement(ctx.source.text, site.start, site.end, 2)
    again = line_behind(site.statement, ctx.text(site.start, site.end), ctx)
    edits = (gone, *again) if gone is not None and again is not None else None
    return judgement(site, row, ctx, message=message, edits=edits)
