"""What stands around an edit and stays CUDA's, where no test tells them apart.

A block that imports TensorRT for itself runs on TensorRT, a function that launches a Triton kernel needs what the
kernel needs, and a test asserts what the code that it calls does: half of one, ported, fails.
"""

from __future__ import annotations

import ast

from porter.model import Verdict
from porter.rules.around import generators, imports, kernels, tests
from porter.rules.around.keeper import Keeper
from porter.rules.base import Context, Judgement
from porter.rules.policy import by_hand, leave


def surrounded(results: list[Judgement], ctx: Context) -> list[Judgement]:
    """Take back edits of what stands in a block, a function or a test that stays CUDA's as a whole."""
    if not any(r.edited or _withheld(r, ctx) for r in results):
        return results
    keepers = [
        *imports.ended(ctx),
        *imports.behind_imports(results, ctx),
        *generators.drawing(results, ctx),
        *kernels.launches(ctx),
        *kernels.asking(ctx),
        *kernels.keyed(ctx),
        *kernels.derived(ctx),
        *kernels.configuring(ctx),
        *kernels.registered(results, ctx),
        *kernels.listed(ctx),
        *kernels.mapped(results, ctx),
        *kernels.handing(results, ctx),
        *kernels.served(ctx),
        *kernels.private(results, ctx),
        *kernels.taken(results, ctx),
        *kernels.given(results, ctx),
        *kernels.optional(results, ctx),
    ]
    if ctx.in_test():
        for looked_at in (tests.exercising, tests.gated, tests.mocked, tests.asserted):
            keepers += looked_at(results, ctx)
    keepers += [*kernels.captures(results, ctx), *_helpers(keepers, ctx), *imports.where_found(results, ctx)]
    return [_held(r, keepers, ctx) for r in results] if keepers else results


def gated(results: list[Judgement], ctx: Context) -> list[Judgement]:
    """Take back edits of tests whose gate has turned out to stay, and of what nothing else uses."""
    found = tests.gated(results, ctx) if ctx.in_test() and any(r.edited for r in results) else ()
    keepers = [keeper for keeper in found if not keeper.first]  # others have had their say
    keepers += _helpers(keepers, ctx)
    return [_held(r, keepers, ctx) for r in results] if keepers else results


def _held(result: Judgement, keepers: list[Keeper], ctx: Context) -> Judgement:
    """The judgement where the first of the keepers that holds it has its way."""
    keeper = next((k for k in keepers if k.span.holds(result.site.start) and k.rule in ("", result.rule)), None)
    if keeper is None or result.site.role == "import" or result.verdict is Verdict.PORTABLE:
        return result
    if not keeper.runs:
        return leave(result, keeper.why)
    return by_hand(result, keeper.why) if result.edited or (keeper.first and _withheld(result, ctx)) else result


def _withheld(result: Judgement, ctx: Context) -> bool:
    """Whether porter wrote nothing for a reason of the line's own. In a test, what the test needs is told first."""
    known = result.row is not None and ctx.answer(result.row).verdict in (Verdict.AUTO, Verdict.REVIEW)
    return known and result.verdict is Verdict.MANUAL and ctx.in_test()


def _helpers(keepers: list[Keeper], ctx: Context) -> list[Keeper]:
    """Private functions, classes and variables that nothing uses but what is kept, and such helpers themselves.

    In a test nobody else is presumed to use any of them.
    """
    if not keepers:
        return []
    outline, alone = ctx.outline(), ctx.in_test()
    defined: dict[str, ast.stmt] = {}
    for node in outline.tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.Assign(targets=[ast.Name(id=name)]):
                defined[name] = node
    private = {name: node for name, node in defined.items() if alone or name.startswith("_")}
    loaded = (n for n in outline.nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load))
    named = [n for n in loaded if n.id in private]
    uses = {name: [outline.span(n).start for n in named if n.id == name] for name in private}
    found: list[Keeper] = []
    while True:
        kept = [keeper.span for keeper in (*keepers, *found) if keeper.runs]
        alike = [
            name
            for name, places in uses.items()
            if name in private and places and all(any(span.holds(place) for span in kept) for place in places)
        ]
        fresh = [
            Keeper(outline.span(node), f"only what stays CUDA's uses `{name}`: port them together")
            for name, node in ((name, private.pop(name)) for name in alike)
            if not (isinstance(node, ast.Assign) and ctx.project.borrowed(f"{ctx.module}.{name}"))
        ]
        if not fresh:
            return found
        found += fresh
