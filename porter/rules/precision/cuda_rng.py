"""Seeds and states of CUDA's random number generators.

## What CUDA does

`torch.cuda.manual_seed_all()` seeds every GPU; `get_rng_state()` saves a generator's state.

## On Neuron

The same names under `torch.neuron`; `torch.manual_seed()` seeds the device too. The sequences differ from CUDA's, and
a saved state is 16 bytes: states from a CUDA checkpoint do not load.

## When porter rewrites

`torch.random.fork_rng()` saves the generators of the CPU and of CUDA: it gets `device_type="neuron"`, unless it says
already which devices it means.

## Example

```py
torch.cuda.manual_seed_all(seed)
```

becomes

```py
torch.neuron.manual_seed_all(seed)
```
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judge_by_row, judgement
from porter.rules.uses import judge_use


@rule("PRT301", "cuda-rng")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue, but for ``fork_rng``, which means CUDA where it does not say."""
    return _fork(site, row, ctx) if site.name == "torch.random.fork_rng" else judge_use(site, row, ctx)


def _fork(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    call = site.call
    if call is None or call.unpacked or call.get("device_type") is not None or call.get("devices", 0) is not None:
        return Dismissed(site, "agnostic")
    if not ctx.edits:
        return judge_by_row(site, row, ctx)
    from porter.rewrite.calls import CallEditor

    edits = CallEditor(ctx.source.text, call).append(f'device_type="{ctx.target.device}"').edits()
    return judgement(site, row, ctx, message="`torch.random.fork_rng()` forks CUDA's generators", edits=edits)
