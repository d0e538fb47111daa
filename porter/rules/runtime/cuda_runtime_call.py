"""Calls into the CUDA runtime: synchronisation, initialisation and the like.

## What CUDA does

They wait for the GPU, start the runtime, or ask about its state. Without CUDA most of them raise.

## On Neuron

Most exist under the same name in `torch.neuron`. Execution is asynchronous there too: call `torch.neuron.synchronize()`
before you read a clock or memory statistics.

## Example

```py
torch.cuda.synchronize()
```

becomes

```py
torch.neuron.synchronize()
```
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import action_of, judgement
from porter.rules.uses import judge_use


@rule("PRT201", "cuda-runtime-call")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue; what gives way to a builtin (`RuntimeError`) needs no import."""
    answer = ctx.answer(row)
    builtin = action_of(answer) == "rename" and "." not in answer.replacement
    if builtin and site.role == "load" and site.editable and ctx.edits:
        return judgement(site, row, ctx, edits=ctx.edit(site.start, site.end, answer.replacement))
    return judge_use(site, row, ctx)
