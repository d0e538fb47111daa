"""Environment variables of CUDA, cuDNN, cuBLAS, NCCL and PyTorch's CUDA backend, in Python, scripts and configurations.

## What CUDA does

The driver, the libraries and PyTorch read their settings from the environment: which devices a process sees
(`CUDA_VISIBLE_DEVICES`), whether launches block (`CUDA_LAUNCH_BLOCKING`), how memory is cut
(`PYTORCH_CUDA_ALLOC_CONF`), which network NCCL takes (`NCCL_SOCKET_IFNAME`).

## On Neuron

Nobody reads them, so that a setting silently has no effect: a process that was told to take one device takes all.
`NEURON_RT_VISIBLE_CORES` chooses the logical cores (`0-3`); the `neuron` process group sets it for every rank.
`NEURON_LAUNCH_BLOCKING=1` makes execution synchronous. `NCCL_DEBUG` is honoured by Neuron's collectives.

## Example

```py
os.environ["CUDA_LAUNCH_BLOCKING"] = "1"
```

becomes `os.environ["NEURON_LAUNCH_BLOCKING"] = "1"`. In other files porter says what to write, and writes nothing.

## What to do

Check the value of what was renamed: a list of GPUs is not a list of cores. Delete variables without a counterpart, or
keep them where the same script still starts CUDA jobs.
"""

from __future__ import annotations

import re

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.model import Verdict
from porter.rewrite.calls import replace_in_string
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.environment.advise import advise
from porter.rules.table import by_hand, judgement

# What follows the name where the variable is set to no device at all.
_READS = re.compile(rb"get(?:env)?\(\s*\Z")
_HIDES_ALL = re.compile(rb"""\s*\]?\s*[=,:]\s*(['"])(?:-1)?\1""")


@rule("PRT801", "cuda-environment-variable")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Rename the variable in Python; say how in every other file."""
    answer = ctx.answer(row)
    if ctx.source.kind not in ("python", "notebook"):
        return advise(site, row, ctx)
    if answer.verdict not in (Verdict.AUTO, Verdict.REVIEW) or not ctx.edits:
        return judgement(site, row, ctx)
    text = ctx.source.text
    if _HIDES_ALL.match(text, site.end) and not _READS.search(text, max(0, site.start - 12), site.start):
        why = "an empty list hides every GPU: to keep a program off Neuron, do not ask for the device"
        return by_hand(site, row, ctx, why)
    edits = replace_in_string(text, site.start, site.end, site.name, answer.replacement)
    return judgement(site, row, ctx, edits=edits)
