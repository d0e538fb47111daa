"""Names of the device that a test finds, of which nothing is done but to show them."""

from __future__ import annotations

import ast

from porter.index.outline import dotted
from porter.index.site import Site
from porter.rules.base import Context
from porter.rules.uses import SHOWING

_OTHERS = frozenset({"cpu", "mps"})
_VARIABLES = ("v:", "g:")  # places of what is no attribute, which others read as they like


def only_shown(site: Site, ctx: Context) -> bool:
    """Whether a string says which device a test has found, to people alone.

    ``print("cuda" if torch.cuda.is_available() else "cpu")``, or a variable with such a value that is printed or left:
    no code takes the word, so it goes with the test.
    """
    if not site.editable or not instead_of_cpu(site, ctx):
        return False
    outline = ctx.outline()
    above = [node for node in outline.expressions(site.start, site.end)[:-1] if not isinstance(node, ast.IfExp)]
    match outline.around(site.start)[-1:], above:
        case [ast.Expr()], [*shown]:
            return not shown or _shows(shown[0])
        case [ast.Assign([ast.Name(name)])], [] if (site.place or "").startswith(_VARIABLES):
            return _is_left(name, site, ctx)
    return False


def instead_of_cpu(site: Site, ctx: Context) -> bool:
    """Whether the string stands where a test has found CUDA, and the CPU or a Mac's device where it has not."""
    if not site.guards or site.guards[0].kind != "cuda":
        return False
    outline = ctx.outline()
    match outline.around(site.start)[-1:], outline.expressions(site.start, site.end)[-2:]:
        case _, [ast.IfExp(body=body, orelse=orelse), word] if word in (body, orelse):
            other = orelse if word is body else body
            words = (other.body, other.orelse) if isinstance(other, ast.IfExp) else (other,)
            return all(map(_is_device, words))
        case [ast.Assign([ast.Name(name)])], [_]:
            assigned = outline.all_of(outline.home(name, site.start), ast.Assign)
            return any(_is_device(n.value) for n in assigned if name in map(dotted, n.targets))
    return False


def _is_device(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value in _OTHERS


def _is_left(name: str, site: Site, ctx: Context) -> bool:
    """Whether nothing reads a variable but what shows it: a module's may be read by whoever imports it."""
    outline = ctx.outline()
    home = outline.home(name, site.start)
    if home is outline.tree and ctx.source.kind != "notebook":
        return False
    spans = [outline.span(use) for use in outline.named(home, name) if isinstance(use.ctx, ast.Load)]
    return all(_is_shown(span.start, span.end, ctx) for span in spans)


def _is_shown(start: int, end: int, ctx: Context) -> bool:
    """Whether an expression is a statement of its own, as at the end of a notebook's cell, or within one that shows."""
    is_alone = isinstance(ctx.outline().around(start)[-1], ast.Expr)
    first, *rest = ctx.outline().expressions(start, end)
    return is_alone and (_shows(first) or not rest)


def _shows(node: ast.expr) -> bool:
    """Whether an expression is a call that shows what it is given."""
    match node:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name in SHOWING
    return False
