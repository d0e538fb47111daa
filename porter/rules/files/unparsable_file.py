"""A file that porter could not analyse: it may hide CUDA uses, so it is reported rather than passed over.

## What to do

If it is a template or generated, exclude it (`exclude` in `[tool.porter]`, or `per-file-ignores`). If it is Python 2,
port it first. If its grammar is newer than the Python that runs porter, run porter under that version.

## Example

```py
print "hello"
```

is reported; all other files are analysed.
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judge_by_row


@rule("PRT001", "unparsable-file")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Never called: the engine reports the file."""
    return judge_by_row(site, row, ctx)
