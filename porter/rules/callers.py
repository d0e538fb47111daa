"""Functions of the file that stay CUDA's, by their name or by what they move, and who calls them."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable

from porter.index.outline import dotted
from porter.index.site import Site
from porter.rules.base import Context, Judgement
from porter.rules.kernels.known import is_own_kernel
from porter.rules.placement.flags import flag
from porter.rules.placement.reach import arms


def called_behind(tests: Iterable[Site], leads: Callable[[Site, Site], bool], ctx: Context) -> dict[str, int]:
    """The file's functions for CUDA (`swap_weights_cuda` beside `swap_weights`), each with the line of a test that
    ``leads`` to all calls of it.
    """
    calls: dict[str, list[Site]] = {}
    for site in ctx.sites:
        if site.name.startswith(f"{ctx.module}.") and is_own_kernel(site, ctx):
            calls.setdefault(site.name[len(ctx.module) + 1 :], []).append(site)
    return {name: test.line for name, found in calls.items() for test in tests if all(leads(test, s) for s in found)}


def moved_behind(test: Site, staying: Iterable[Judgement], ctx: Context) -> Judgement | None:
    """What a function still moves to CUDA that is called where ``test`` holds: ``if there: model = to_gpu(model)``."""
    moves = (r for r in staying if r.rule == "cuda-method" and not r.site.guards)
    moving = {r.site.scope: r for r in moves if r.site.scope}
    nodes = (node for arm in (arms(test, flag(test, ctx), ctx.outline()) if moving else ()) for node in arm)
    calls = (inner for node in nodes for inner in ast.walk(node) if isinstance(inner, ast.Call))
    return next((moving[name] for call in calls if (name := dotted(call.func)) in moving), None)
