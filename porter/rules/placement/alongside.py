"""What runs whichever way a test of a tensor's device goes: an operator that the repository builds for CUDA.

``ids = _March.apply(x)``, then ``if x.is_cuda: ids = torch.unique(ids)``: the test knows what that operator makes on
CUDA, or what it takes there. Before somebody has written one for another device, nothing says what that one needs.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from porter.index.guards import exits
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context
from porter.rules.placement.hold import Hold
from porter.rules.placement.reach import extension_behind
from porter.rules.placement.ways import asks_of_tensor, is_ported

_PLAIN = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.Return)


def alongside(site: Site, ctx: Context) -> Hold | None:
    """An operator of the repository's own extension that runs with the test, where nothing of CUDA stands behind it."""
    if not ctx.project.noted.extensions or not asks_of_tensor(site):
        return None
    if any(is_ported(opened, ctx) for opened, _ in ctx.outline().ways(site.start)):
        return None
    for call in _calls(site, ctx):
        found = extension_behind(call, site.scope, ctx)
        if found is not None:
            advice = f"it goes with `{found.name}`, {found.where}: port both together"
            return Hold(Verdict.MANUAL, advice)
    return None


def _calls(site: Site, ctx: Context) -> Iterator[ast.Call]:
    """The calls of the plain statements in the blocks around a test, unless one of its branches ends the block."""
    statement = ctx.outline().around(site.start)[-1]
    branches = (statement.body, statement.orelse) if isinstance(statement, ast.If) else ()
    if any(exits(branch) for branch in branches if branch):
        return
    for block in ctx.outline().blocks(site.start):
        for other in (node for node in block if isinstance(node, _PLAIN) and node is not statement):
            yield from ctx.outline().all_of(other, ast.Call)
