"""What is told the answer of a device test and knows no other device, or may not: packages, and code not seen."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator

from porter.index.outline import dotted
from porter.index.sinks import FOREIGN
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context
from porter.rules.placement.flags import flag
from porter.rules.placement.hold import Hold
from porter.rules.placement.reach import called

_GPU = re.compile(r"(?:^|_)gpus?(?:_|$)")
_ASKED = re.compile(rb"[(,]\s*(?:\w+_)?gpus?(?:_\w+)?\s*=(?!=)")
_IMPORTED = re.compile(rf"^[ \t]*(?:import|from)[ \t]+(?:{'|'.join(sorted(FOREIGN))})\b".encode(), re.M)
_ALIKE = re.compile(rb"^[ \t]*(?:import|from)[ \t]+(chainer|jittor|oneflow|paddle|tinygrad)\b", re.M)
_TORCH = re.compile(rb"\btorch\b")


def computes_with(ctx: Context) -> str | None:
    """The framework whose tensors and devices a file's are, by its imports: one with PyTorch's words for CUDA."""
    found = _ALIKE.search(ctx.source.text) if ctx.says(_ALIKE) and not ctx.says(_TORCH) else None
    return found[1].decode() if found is not None else None


def handed(site: Site, ctx: Context) -> Hold | None:
    """``faiss.Kmeans(d, k, gpu=there)``: an answer, or the name of one, that such a package is given."""
    if not ctx.says(_IMPORTED):
        return None
    takers = [dotted(call.func) or "" for call, _ in _given(site, ctx)]
    names = {root for node in ctx.outline().nodes for root in _foreign(node)} if takers else set()
    taker = next((taker for taker in takers if taker.partition(".")[0] in names), None)
    if taker is None:
        return None
    return Hold(Verdict.MANUAL, f"it tells `{taker}`, which knows no {ctx.target.title}: say what that is to be told")


def unseen(site: Site, ctx: Context) -> Hold | None:
    """``easyocr.Reader(languages, gpu=there)``: whether a GPU is to be used, by code that porter does not see."""
    if not ctx.says(_ASKED):
        return None
    for call, keyword in _given(site, ctx):
        name = called(call, site.scope, ctx) if _GPU.search(keyword) else None
        if name is not None and not _takes(name, keyword, ctx):
            advice = f"it tells `{dotted(call.func)}`, which takes `{keyword}` where porter cannot see it"
            return Hold(Verdict.MANUAL, f"{advice}: say what that is to be told")
    return None


def _given(site: Site, ctx: Context) -> Iterator[tuple[ast.Call, str]]:
    """The calls that are given an answer, or the name of one, and by which keyword; an empty one by position."""
    outline, name = ctx.outline(), (flag(site, ctx) or b"").decode()
    for call in (n for n in outline.expressions(site.start, site.end) if isinstance(n, ast.Call)):
        yield call, next((k.arg or "" for k in call.keywords if outline.span(k.value).holds(site.start)), "")
    for node in ast.walk(outline.home(name, site.start)) if name else ():
        if isinstance(node, ast.Call):
            arguments = [("", value) for value in node.args] + [(k.arg or "", k.value) for k in node.keywords]
            yield from ((node, keyword) for keyword, value in arguments if dotted(value) == name)


def _takes(name: str, keyword: str, ctx: Context) -> bool:
    """Whether a function or class is the program's, and takes an argument by its name, as far as is known.

    What Python's own library is given comes back to the program: ``argparse.Namespace(gpu=there)``.
    """
    summary = ctx.project.summary(ctx.project.owner(name))
    if summary is None:
        return name.partition(".")[0] in sys.stdlib_module_names
    info = summary.functions.get(f"{name}.__init__" if name in summary.classes else name)
    return info is None or keyword in (*info.parameters, *info.keywords)


def _foreign(node: ast.AST) -> list[str]:
    """The names that an import binds of packages that do not compute with PyTorch."""
    match node:
        case ast.Import(names=names):
            return [a.asname or a.name.partition(".")[0] for a in names if a.name.partition(".")[0] in FOREIGN]
        case ast.ImportFrom(module=str(module), names=names, level=0) if module.partition(".")[0] in FOREIGN:
            return [alias.asname or alias.name for alias in names]
    return []
