"""A name under a CUDA namespace that porter's catalogue does not hold.

## What CUDA does

Unknown to porter: a private name, a name of another version of PyTorch, or a misspelling.

## On Neuron

Unknown. porter counts such names and never hides them.

See `porter explain NAME` for near names; add a row of your own to a TOML file named by `catalogue` in `[tool.porter]`.

## Example

```py
torch.cuda.sychronize()
```

is reported as `unknown`: here it is a misspelling.
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judgement, subject
from porter.rules.uses import has_uses


@rule("PRT209", "unknown-cuda-symbol")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Report the name where it is used: nobody has said what becomes of it."""
    if has_uses(site, ctx):
        return Dismissed(site, "part")
    return judgement(
        site,
        row,
        ctx,
        verdict=Verdict.UNKNOWN,
        message=f"{subject(site)} is a CUDA name that the catalogue does not hold",
        advice="look it up in the documentation of PyTorch and Neuron, and add a row of your own",
    )
