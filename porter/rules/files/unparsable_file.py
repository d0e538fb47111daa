"""A file that porter could not analyse: it may hide CUDA uses, so it is reported rather than passed over.

## What to do

If it is a template or generated, exclude it (`exclude` in `[tool.porter]`, or `per-file-ignores`). If it is Python 2,
port it first. If its grammar is newer than the Python that runs porter, run porter under that version.

## When porter rewrites

`async` is a keyword since Python 3.7, and tensors' methods call that argument `non_blocking`. Where nothing else keeps
a file from being parsed, the name is written anew; with that `porter rewrite` goes on with what else the file holds.

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
from porter.rules.table import judgement


@rule("PRT001", "unparsable-file")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """What alone keeps a file from being parsed; the engine reports all other files that do not."""
    message = "does not parse: `async` is a keyword since Python 3.7; nothing else of this file is analysed"
    edits = ctx.edit(site.start, site.end, "non_blocking")
    return judgement(site, row, ctx, message=message, edits=edits, group="async")
