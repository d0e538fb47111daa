"""What is told the answer of a device test and does not compute with PyTorch: it knows no other device."""

from __future__ import annotations

import ast
import re

from porter.index.outline import dotted
from porter.index.sinks import FOREIGN
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context
from porter.rules.placement.flags import flag
from porter.rules.placement.hold import Hold

_IMPORTED = re.compile(rf"^[ \t]*(?:import|from)[ \t]+(?:{'|'.join(sorted(FOREIGN))})\b".encode(), re.M)


def handed(site: Site, ctx: Context) -> Hold | None:
    """``faiss.Kmeans(d, k, gpu=there)``: an answer, or the name of one, that such a package is given."""
    if _IMPORTED.search(ctx.source.text) is None:
        return None
    outline, name = ctx.outline(), (flag(site, ctx) or b"").decode()
    calls = [n for n in outline.expressions(site.start, site.end) if isinstance(n, ast.Call)]
    for node in ast.walk(outline.home(name, site.start)) if name else ():
        if isinstance(node, ast.Call) and name in map(dotted, (*node.args, *(k.value for k in node.keywords))):
            calls.append(node)
    names = {root for node in outline.nodes for root in _foreign(node)} if calls else set()
    takers = (dotted(call.func) or "" for call in calls)
    taker = next((taker for taker in takers if taker.partition(".")[0] in names), None)
    if taker is None:
        return None
    return Hold(Verdict.MANUAL, f"it tells `{taker}`, which knows no {ctx.target.title}: say what that is to be told")


def _foreign(node: ast.AST) -> list[str]:
    """The names that an import binds of packages that do not compute with PyTorch."""
    match node:
        case ast.Import(names=names):
            return [a.asname or a.name.partition(".")[0] for a in names if a.name.partition(".")[0] in FOREIGN]
        case ast.ImportFrom(module=str(module), names=names, level=0) if module.partition(".")[0] in FOREIGN:
            return [alias.asname or alias.name for alias in names]
    return []
