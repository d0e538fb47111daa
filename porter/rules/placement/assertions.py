"""What a program insists on: what an assertion about the device is for, and tests without which it fails."""

from __future__ import annotations

import ast

from porter.index.guards import condition
from porter.index.outline import Span, dotted
from porter.index.site import Site
from porter.rules.base import Context


def asserted(site: Site) -> bool:
    """Whether a site is part of an ``assert``."""
    return site.statement is not None and site.statement.kind == "Assert"


def refused(test: Site, ctx: Context) -> bool:
    """Whether the program fails, whichever way it goes then, in the ``else`` of what a test opens.

    Or for tensors that lie apart, ``if not x.is_cuda and y.is_cuda: raise``, and goes on where none is on CUDA.
    """
    outline = ctx.outline()
    match outline.around(test.start)[-1:]:
        case [ast.If(test=asked, body=body, orelse=other)] if outline.span(asked).holds(test.start):
            told = condition(asked, dotted)
            apart = told.cuda == told.otherwise == 0 and isinstance(body[-1], ast.Raise)
            return apart or (not outline.denies(test.start, test.end) and _fails(other, asked))
    return False


def _fails(block: list[ast.stmt], denied: ast.expr) -> bool:
    """Whether a block, which runs where a condition does not hold, ends in an error."""
    match block[-1:]:
        case [ast.If(test=test, body=body, orelse=other)]:
            return _fails(body, denied) and (_fails(other, denied) or (not other and _says(denied) == _denied(test)))
        case [ast.Raise()]:
            return True
    return False


def _says(condition: ast.expr) -> str:
    """What holds, by a condition: ``x`` where that is ``x == True``."""
    match condition:
        case ast.Compare(left=left, ops=[ast.Eq() | ast.Is()], comparators=[ast.Constant(value=True)]):
            return ast.unparse(left)
    return ast.unparse(condition)


def _denied(condition: ast.expr) -> str | None:
    """What does not hold, by a condition: ``x`` where that is ``not x`` or ``x == False``; None of any other."""
    match condition:
        case ast.UnaryOp(op=ast.Not(), operand=denied):
            return ast.unparse(denied)
        case ast.Compare(left=left, ops=[ast.Eq() | ast.Is()], comparators=[ast.Constant(value=False)]):
            return ast.unparse(left)
    return None


def asserted_for(test: Site, ctx: Context) -> Span | None:
    """The statement right behind an ``assert``, if it does one thing."""
    outline = ctx.outline()
    block = outline.block(test.start) if asserted(test) else []
    behind = next((node for node in block if outline.span(node).start > test.start), None)
    return outline.span(behind) if isinstance(behind, ast.Expr | ast.Assign | ast.Return) else None


def spared(blocker: Site, blockers: list[Site], site: Site, ctx: Context) -> bool:
    """Whether what an ``assert`` lets run may go another way than by a blocker: by an arm that has none."""
    outline = ctx.outline()
    for node in outline.around(blocker.start) if asserted(site) else ():
        if isinstance(node, ast.If) and outline.span(node).start > site.start:
            arms = [[outline.span(inner) for inner in arm] for arm in (node.body, node.orelse)]
            if any(not any(span.holds(other.start) for span in arm for other in blockers) for arm in arms):
                return True
    return False
