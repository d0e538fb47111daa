"""What an object has only where a test for CUDA held: where that stays, so do the tests that lead to uses of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from porter.index.outline import dotted
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context, Judgement
from porter.rules.placement.reach import arms
from porter.rules.policy import by_hand, leave
from porter.rules.tested import is_test

_Attribute = tuple[ast.AST, str]  # the class, and the name as its methods write it: self.generator


def made_behind(results: list[Judgement], ctx: Context) -> list[Judgement]:
    """``if there: self.g = Generator(device)``, which stays: so does every test that leads to a use of `self.g`."""
    tests = list(filter(is_test, results))
    kept = [t for t in tests if not t.edited]
    edited = {t.site.start for t in tests if t.edited and "." in t.site.scope}
    made = _made(kept, ctx) if kept and edited else {}

    def held(result: Judgement) -> Judgement:
        if result.site.start not in edited or not result.edited:
            return result
        attribute = next((a for a in _attributes(result.site, ast.Load, ctx) if a in made), None)
        if attribute is None:
            return result
        maker = made[attribute]
        why = f"it leads to `{attribute[1]}`, which is made where line {maker.site.line} finds CUDA"
        if maker.verdict is Verdict.PORTABLE:
            return leave(result, f"left as it is: {why}")
        return by_hand(result, f"{why}: port both together")

    return [held(r) for r in results] if made else results


def _made(tests: list[Judgement], ctx: Context) -> dict[_Attribute, Judgement]:
    """The attributes that are given a value only where these tests hold, each with one of them; None is no value."""
    made = {found: test for test in tests for found in _attributes(test.site, ast.Store, ctx)}
    fine = {id(node) for test in tests for node in _nodes(test.site, ctx)} if made else set()
    for node in ctx.outline().nodes if made else ():
        match node:
            case ast.Assign(targets=targets, value=ast.Constant(value=None)):
                fine.update(map(id, targets))
            case ast.Attribute(ctx=ast.Store()) if id(node) not in fine and (name := dotted(node)) is not None:
                made.pop((ctx.outline().home(name, ctx.outline().span(node).start), name), None)
    return made


def _attributes(test: Site, context: type[ast.expr_context], ctx: Context) -> Iterator[_Attribute]:
    """The attributes of its own object that are set, or read, only where a test holds."""
    for node in _nodes(test, ctx):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, context):
            name = dotted(node)
            if name is not None and name.startswith("self."):
                yield ctx.outline().home(name, test.start), name


def _nodes(test: Site, ctx: Context) -> Iterator[ast.AST]:
    return (n for arm in arms(test, ctx) for part in arm for n in ast.walk(part))
