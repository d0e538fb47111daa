"""What stands beside a variable of CUDA's in one block, and says what it is set for.

A program that sets one for every vendor's runtime wants one more. What makes CUDA deterministic is for CUDA alone.
"""

from __future__ import annotations

import ast
import re

from porter.index.site import Site
from porter.rules.base import Context

_BLOCKING, _WORKSPACE = "CUDA_LAUNCH_BLOCKING", "CUBLAS_WORKSPACE_CONFIG"
_OTHERS = rb"ASCEND|GCU|HABANA|HIP|HPU|MLU|MUSA|NPU|ROCR|XPU"


def beside(site: Site, own: str, ctx: Context) -> str | None:
    """The variable that says for another device what CUDA's says, in one block with it; ``own`` if that is there."""
    prefix, _, setting = site.name.partition("_")
    if prefix != "CUDA":
        return None
    named = re.compile(rb"[\"'](%b|(?:%b)_(?:RT_)?%b)[\"']" % (own.encode(), _OTHERS, setting.encode()))
    text = ctx.source.text
    if named.search(text) is None:
        return None
    outline = ctx.outline()
    spans = [outline.span(s) for s in outline.block(site.start) if isinstance(s, ast.Assign | ast.Expr)]
    found = {m[1].decode() for span in spans for m in named.finditer(text, span.start, span.end)}
    return own if own in found else min(found, default=None)


def for_determinism(site: Site, ctx: Context) -> str | None:
    """The variable that makes cuBLAS deterministic, where a function sets what older releases of CUDA want as well."""
    if site.name != _BLOCKING or not site.scope or _WORKSPACE.encode() not in ctx.source.text:
        return None
    outline = ctx.outline()
    spans = [outline.span(s) for s in outline.block(site.start) if isinstance(s, ast.Assign | ast.Expr | ast.If)]
    beside = (s for s in ctx.sites if s.kind == "environment" and s.name == _WORKSPACE)
    return next((s.name for s in beside if any(span.holds(s.start) for span in spans)), None)
