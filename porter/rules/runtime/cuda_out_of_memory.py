"""Handlers for CUDA's out-of-memory error, by class or by its message.

## What CUDA does

`torch.cuda.OutOfMemoryError` is raised; its message begins with `CUDA out of memory`.

## On Neuron

`torch.OutOfMemoryError` is the same class under PyTorch's general name. Which class the Neuron runtime raises is not
verified: catch RuntimeError too, and do not match messages. Those of cuDNN and cuBLAS are never raised. A search for
the batch size by trial compiles for every size.

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

import ast

from porter.catalog.schema import Row
from porter.index.outline import dotted
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
    searched = site.use == "compare" or site.detail in _SEARCHES or _is_listed(site, ctx)
    return judgement(site, row, ctx) if searched else Dismissed(site, "text")


def _is_listed(site: Site, ctx: Context) -> bool:
    """Whether what the list around the site holds is looked for: ``any(text in str(e) for text in ["CUDA ..."])``."""
    if site.parent not in ("List", "Tuple", "Set"):
        return False
    outline = ctx.outline()
    texts = outline.expressions(site.start, site.end)[-2:-1]
    match outline.around(site.start)[-1:]:
        case [ast.Assign(targets=[ast.Name(id=name)], value=value)] if [value] == texts:
            home: ast.AST = outline.home(name, site.start)
        case [statement]:
            name, home = "", statement
        case _:
            return False
    for node in ast.walk(home):
        match node:
            case ast.GeneratorExp(ast.Compare(text, [ast.In()]), [ast.comprehension(own, among)]):
                if dotted(text) == dotted(own) and (among in texts or dotted(among) == name):
                    return True
    return False
