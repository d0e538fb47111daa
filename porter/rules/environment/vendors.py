"""Variables in which every vendor's runtime reads the same setting: a program that sets one for each wants one more."""

from __future__ import annotations

import ast
import re

from porter.index.site import Site
from porter.rules.base import Context

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
