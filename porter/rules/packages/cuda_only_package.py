"""Packages that exist for CUDA only.

## What CUDA does

They ship CUDA kernels, or talk to NVIDIA's driver. Extensions that a repository builds for itself carry the word in
their names: `selective_scan_cuda`.

## On Neuron

No builds. Each row of the catalogue says what people use instead; an import that may fail (`try ... except
ImportError`) does no harm. A package is reported where it is imported; its parts only where something takes the place
of that very part.

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
from porter.rules.table import judge_by_row, judgement


@rule("PRT701", "cuda-only-package")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue; a compiled extension that no row names, by its import."""
    if not row.name.startswith("*"):
        return judge_by_row(site, row, ctx)
    root = site.name.partition(".")[0]
    if ctx.project.summary(ctx.project.resolve(root, ctx.module)) is not None:
        return Dismissed(site, "user-name")
    return judgement(site, row, ctx) if site.role == "import" else Dismissed(site, "part")
