"""What is for CUDA's own libraries alone and does nothing elsewhere: their settings, variables and distributions."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context
from porter.rules.placement.hold import Hold
from porter.rules.table import action_of

_SETTINGS = frozenset({"cuda-backend-flag", "cuda-graph"})
_REQUIREMENTS = re.compile(r"requir|depend|install|extra|packages", re.I)  # what lists of them are called
_DISTRIBUTION = re.compile(r"[A-Za-z0-9][\w.-]*")


def tuning(site: Site, ctx: Context) -> Hold | None:
    """Arms with nothing but what is for CUDA's own libraries."""
    statements = [inner for arm in ctx.outline().arms(site.start) for node in arm for inner in _simple(node)]
    if not statements or not all(_is_variable_or_flag(node, ctx) or _requires(node, ctx) for node in statements):
        return None
    return Hold(Verdict.PORTABLE, "left as it is: what it guards is for CUDA's own libraries alone")


def _simple(node: ast.AST) -> Iterator[ast.AST]:
    """The statements of a branch, whatever else they depend on."""
    if isinstance(node, ast.If):
        yield from (inner for statement in (*node.body, *node.orelse) for inner in _simple(statement))
    else:
        yield node


def _is_variable_or_flag(node: ast.AST, ctx: Context) -> bool:
    """``torch.backends.cudnn.benchmark = True``, ``os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"``."""
    if not isinstance(node, ast.Assign | ast.Expr):
        return False
    span = ctx.outline().span(node)
    found = ctx.nesting.starting(span.start, span.end)
    stored = [ctx.outline().span(target) for target in getattr(node, "targets", ())]
    set_here = [s for s in found if s.kind == "environment" and any(target.holds(s.start) for target in stored)]
    return bool(found) and all(_is_unread(s, ctx) if s in set_here else _is_setting(s, ctx) for s in found)


def _is_setting(site: Site, ctx: Context) -> bool:
    row = ctx.catalogue.find(site.kind, site.name)
    return row is not None and row.rule in _SETTINGS


def _is_unread(variable: Site, ctx: Context) -> bool:
    """Whether nothing on the target reads a variable, or only what builds CUDA extensions."""
    row = ctx.catalogue.find(variable.kind, variable.name)
    return row is not None and (row.rule == "cuda-build" or ctx.answer(row).verdict is Verdict.PORTABLE)


def _requires(node: ast.AST, ctx: Context) -> bool:
    """``install_requires.append("nvidia-ml-py")``: distributions that the target does without."""
    match node:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=listed, attr="append" | "extend" | "add"))):
            pass
        case ast.AugAssign(target=listed):
            pass
        case _:
            return False
    texts = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    names = [found.group() if (found := _DISTRIBUTION.match(text)) is not None else "" for text in texts]
    rows = [ctx.catalogue.find("requirement", name.lower().replace("_", "-")) for name in names]
    goes = bool(rows) and all(row is not None and action_of(ctx.answer(row)) == "delete" for row in rows)
    return goes and _REQUIREMENTS.search(ast.unparse(listed)) is not None
