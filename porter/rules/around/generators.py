"""What draws from a random number generator that stays where it is."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from porter.index.outline import dotted, in_scope
from porter.rules.around.keeper import Keeper, stays
from porter.rules.base import Context, Judgement


def drawing(results: list[Judgement], ctx: Context) -> Iterator[Keeper]:
    """The devices of the calls that are given the generator: it and the tensor that they make with it are on one."""
    for site in (r.site for r in results if r.rule == "device-generator" and stays(r)):
        match ctx.outline().around(site.start)[-1:]:
            case [ast.Assign(targets=[target])] if (name := dotted(target)) is not None:
                why = f"it draws from the generator of line {site.line}, which stays: change them together"
                for call in _takers(name, ctx.outline().home(name, site.start)):
                    yield Keeper(ctx.outline().span(call), why, rule="hardcoded-cuda-device")


def _takers(name: str, home: ast.AST) -> Iterator[ast.Call]:
    for node in in_scope(home, name):
        match node:
            case ast.Call(keywords=given) if any(k.arg == "generator" and dotted(k.value) == name for k in given):
                yield node
