"""Reading a value back in every step stops the device.

## What CUDA does

`.item()`, `.cpu()` and `.tolist()` wait for the GPU: cheap enough there to go unnoticed.

## On Neuron

Every read-back ends what the runtime may fuse and costs a transfer. Keep values on the device, read them every N steps.

## When porter reports

In loops, on what is provably a tensor, and once for a chain (`x.cpu().numpy()`). A read-back under a condition with
`%` happens every N steps already.

## Example

```py
for batch in loader:
    total += loss.item()
```

is reported: accumulate `loss.detach()` and read it once.
"""

from __future__ import annotations

import re

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judge_by_row

_LOOP = re.compile(rb"(?:async\s+)?(?:for|while)\b")
_EVERY = re.compile(rb"(?:el)?if\b.*%")


@rule("PRT901", "host-sync-in-loop", default=False)
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge what a loop reads back from a tensor, unless it does so every N steps."""
    asked = site.statement is not None and site.statement.kind == "While"
    if site.kind == "method" or not (site.in_loop or asked) or _every_n_steps(site, ctx):
        return Dismissed(site, "agnostic")
    if _reads_what_is_read(site, row, ctx):
        return Dismissed(site, "part")
    return judge_by_row(site, row, ctx)


def _reads_what_is_read(site: Site, row: Row, ctx: Context) -> bool:
    """Whether the receiver is the result of another read-back: ``.numpy()`` in ``x.cpu().numpy()``."""
    receiver = site.receiver
    others = (s for s in ctx.sites if s is not site and ctx.catalogue.find(s.kind, s.name) is row)
    return receiver is not None and any(receiver.start <= s.start and s.end <= receiver.end for s in others)


def _every_n_steps(site: Site, ctx: Context) -> bool:
    """Whether a header with ``%`` stands between the site and its loop, by indentation."""
    text = ctx.source.text
    lines = text[: text.rfind(b"\n", 0, site.start) + 1].split(b"\n")
    depth = _depth(text[sum(len(line) + 1 for line in lines[:-1]) : site.start])
    for line in reversed(lines):
        if line.strip() and _depth(line) < depth:
            depth = _depth(line)
            if _EVERY.match(line.lstrip()):
                return True
            if _LOOP.match(line.lstrip()):
                return False
    return False


def _depth(line: bytes) -> int:
    return len(line) - len(line.lstrip())
