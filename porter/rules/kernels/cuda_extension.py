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
from porter.index.noted import EXTENSION
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judge_by_row, judgement
from porter.rules.uses import TESTS

_CUDA = re.compile(r"\.cuh?\b|cuda", re.I)
_KERNELS = re.compile(r"\.cu[\"']")
_ENDS = re.compile(r"\b(?:raise|assert)\b|\bexit\(")
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
    if site.role == "call" and any(s.role == "load" for s in ctx.where("start", site.alias)):
        return Dismissed(site, "part")  # `extension("pkg._C", ...)`: reported where the variable gets its class
    if site.name.endswith(".CUDA_HOME") and _is_answered(site, ctx):
        advice = "left as it is: the program asks whether it is there"
        return judgement(site, row, ctx, verdict=Verdict.PORTABLE, advice=advice)
    loads = site.role == "call" and site.name.endswith(".load")
    instead = _FOR_CPU.search(ctx.source.text, site.end) if loads else None
    if instead is not None:
        return judgement(site, row, ctx, note=_INSTEAD.format(ctx.source.line(instead.start())))
    built = ctx.catalogue.find("symbol", EXTENSION)
    if built is None or not _is_for_cuda(site, ctx):
        return judge_by_row(site, row, ctx)
    answer = ctx.answer(built)
    return judgement(site, row, ctx, verdict=answer.verdict, advice=answer.advice)


def _is_for_cuda(site: Site, ctx: Context) -> bool:
    """Whether ``load`` is given sources in CUDA C++, by their names or by what they are passed as."""
    name = site.name.rpartition(".")[2]
    if site.call is None or name not in ("load", "load_inline"):
        return False
    if name == "load":
        return _KERNELS.search(ctx.text(site.end, site.call.end)) is not None
    return site.call.get("cuda_sources", 2) is not None


def _is_answered(site: Site, ctx: Context) -> bool:
    """Whether a condition asks for the toolkit, by itself or by a name of it, and the program can do without."""
    if site.parent in TESTS:
        asking = [site]
    elif site.statement is not None and site.statement.kind == "Assign":
        asking = [s for s in ctx.where("alias", site.start) if s.parent in TESTS]
    else:
        return False
    return bool(asking) and not any(_ENDS.search(_where_missing(s, ctx)) for s in asking)


def _where_missing(site: Site, ctx: Context) -> str:
    """The code that runs only where the toolkit is missing, as far as the condition tells."""
    block: list[ast.stmt]
    match statement := ctx.outline().around(site.start)[-1]:
        case ast.If(test=ast.Compare(ops=[ast.Is()]) | ast.UnaryOp(), body=block):
            pass
        case ast.If(test=ast.Compare() | ast.Name() | ast.Attribute(), orelse=block):
            pass
        case _:
            return ast.unparse(statement)
    return "\n".join(map(ast.unparse, block))


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
