"""Handlers for CUDA's out-of-memory error, by class or by its message.

## What CUDA does

`torch.cuda.OutOfMemoryError` is raised; its message begins with `CUDA out of memory`.

## On Neuron

`torch.OutOfMemoryError` is the same class under PyTorch's general name. Which class the Neuron runtime raises is not
verified: catch RuntimeError too, and do not match messages. A search for the batch size by trial compiles for every
size.

## Example

```py
except torch.cuda.OutOfMemoryError:
```

becomes

```py
except torch.OutOfMemoryError:
```
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judgement
from porter.rules.uses import judge_use

# Functions that look for a text in another, as the index names them.
_SEARCHES = frozenset({"`re.search()`", "`re.match()`", "`re.compile()`", "`pytest.raises()`"})


@rule("PRT207", "cuda-out-of-memory")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """A message counts where it is looked for, not where it is written."""
    if site.kind != "string":
        return judge_use(site, row, ctx)
    searched = site.use == "compare" or site.detail in _SEARCHES
    return judgement(site, row, ctx) if searched else Dismissed(site, "text")
