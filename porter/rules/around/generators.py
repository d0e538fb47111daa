"""What draws from a random number generator that stays where it is."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from porter.index.outline import dotted
from porter.rules.around.keeper import Keeper, stays
from porter.rules.base import Context, Judgement


def drawing(results: list[Judgement], ctx: Context) -> Iterator[Keeper]:
    """The devices of the calls that are given the generator: it and the tensor that they make with it are on one."""
    for site in (r.site for r in results if r.rule == "device-generator" and stays(r)):
        match ctx.outline().around(site.start)[-1:]:
            case [ast.Assign(targets=[target])] if (name := dotted(target)) is not None:
                why = f"it draws from the generator of line {site.line}, which stays: change them together"
                home = ctx.outline().home(name, site.start)
                for call in ctx.once(_takers, home).get(name, ()):
                    if ctx.outline().is_of(home, name, call):
                        yield Keeper(ctx.outline().span(call), why, rule="hardcoded-cuda-device")


def _takers(ctx: Context, home: ast.AST) -> dict[str | None, list[ast.Call]]:
    """The calls in a part of the file that are given a generator, by what it is called."""
    found: dict[str | None, list[ast.Call]] = {}
    for call in ctx.outline().all_of(home, ast.Call):
        for name in {dotted(given.value) for given in call.keywords if given.arg == "generator"}:
            found.setdefault(name, []).append(call)
    return found
