"""Seeds and states of CUDA's random number generators.

## What CUDA does

`torch.cuda.manual_seed_all()` seeds every GPU; `get_rng_state()` saves a generator's state.

## On Neuron

The same names under `torch.neuron`; `torch.manual_seed()` seeds the device too. The sequences differ from CUDA's, and a saved
state is 16 bytes: states from a CUDA checkpoint do not load.

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
from porter.rules.table import judge_by_row


@rule("PRT301", "cuda-rng")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue."""
    return judge_by_row(site, row, ctx)
