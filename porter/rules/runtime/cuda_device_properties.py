"""Questions about one vendor's hardware: compute capability, architecture, utilisation.

## What CUDA does

Code chooses kernels, dtypes and tile sizes by `get_device_capability()` or the GPU's name.

## On Neuron

`torch.neuron.get_device_properties(i)` has `name` and `total_memory`, nothing else. There is no compute capability: ask for
the feature you need instead (`torch.neuron.is_bf16_supported()`).

## Example

```py
if torch.cuda.get_device_capability() >= (8, 0):
```

is reported: replace the question by the feature it stands for.
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judge_by_row


@rule("PRT206", "cuda-device-properties")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue."""
    return judge_by_row(site, row, ctx)
