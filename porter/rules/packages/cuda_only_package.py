"""Packages that exist for CUDA only.

## What CUDA does

They ship CUDA kernels, or talk to NVIDIA's driver.

## On Neuron

No builds. Each row of the catalogue says what people use instead; an import that may fail (`try ... except ImportError`)
does no harm.

## Example

```py
import apex
```

is reported; inside `try`/`except ImportError` it is fine as it is.
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judge_by_row


@rule("PRT701", "cuda-only-package")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue."""
    return judge_by_row(site, row, ctx)
