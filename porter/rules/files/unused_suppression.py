"""A comment that silences a finding where there is none: it would hide the next one.

Reported only where porter can know: where every rule has run that the comment may be there for. A bare `# noqa` may be
there for other tools, and is left alone. This is a warning: it fails `porter check` where the settings say so
(`severity = {unused-suppression = "error"}`).

## What to do

Remove the comment. Where it names several rules, take out the ones that silence nothing. `porter rewrite` leaves
comments alone.

## Example

```py
x = torch.zeros(3, device="cpu")  # porter: ignore[PRT101] only on the old cluster
```

becomes

```py
x = torch.zeros(3, device="cpu")
```
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judge_by_row


@rule("PRT003", "unused-suppression")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Never called: the engine reports what has silenced nothing."""
    return judge_by_row(site, row, ctx)
