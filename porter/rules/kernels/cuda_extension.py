"""Extensions built from CUDA sources, and custom operators with a CUDA implementation only.

## What CUDA does

`CUDAExtension`, `load_inline(cuda_sources=...)` and `torch.library` bind native kernels.

## On Neuron

No CUDA compiler, no CUDA kernels: NKI for the kernel, or a fallback in PyTorch operators. An extension of C++ sources
alone is built as before, and works on tensors of the host.

## Example

```py
CUDAExtension("ops", ["ops.cpp", "ops.cu"])
```

is reported as `blocked`.
"""

from __future__ import annotations

import ast
import re

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judge_by_row, judgement

_CUDA = re.compile(r"\.cuh?\b|cuda", re.I)
_FOR_CPU = re.compile(rb"\.device\.type\s*==\s*[\"']cpu[\"']")
_INSTEAD = (
    "line {} takes the CPU apart: if it computes in torch operators there, let it on every device but CUDA "
    '(`!= "cuda"`), and load the extension only for CUDA'
)


@rule("PRT603", "cuda-extension")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue, but for what is plainly C++."""
    if _is_plain(site, ctx):
        return Dismissed(site, "agnostic")
    loads = site.role == "call" and site.name.endswith(".load")
    instead = _FOR_CPU.search(ctx.source.text, site.end) if loads else None
    if instead is None:
        return judge_by_row(site, row, ctx)
    return judgement(site, row, ctx, note=_INSTEAD.format(ctx.source.line(instead.start())))


def _is_plain(site: Site, ctx: Context) -> bool:
    """Whether ``load`` is given its sources in the call, and none of them is CUDA's."""
    if site.call is None or site.name.rpartition(".")[2] != "load" or site.call.unpacked:
        return False
    sources = site.call.get("sources", 1)
    if sources is None or _CUDA.search(ctx.text(site.end, site.call.end)):
        return False
    listed = ast.parse(f"({ctx.text(sources.start, sources.end)})", mode="eval").body
    elements = listed.elts if isinstance(listed, (ast.List, ast.Tuple)) else [listed]
    return all(isinstance(element, ast.Constant) for element in elements)
