"""A rewrite that failed its own proof: the file is left as it was.

porter parses every file again after rewriting it. If that fails, or edits overlap, all edits of that file (or of that
fix) are dropped and the reason is shown by `porter rewrite`.

## What to do

Make the change by hand, and report it: it is a defect of porter.

## Example

```py
x = torch.zeros(3, device="cuda")
```

would be left as it is.
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judge_by_row


@rule("PRT002", "rewrite-dropped")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Never called: the engine reports what it had to drop."""
    return judge_by_row(site, row, ctx)
