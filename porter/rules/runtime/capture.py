"""Capture and replay of a CUDA graph taken out: where all of it is in sight, and running the work again is the same.

A capture runs nothing, and each replay runs all of it on the tensors that were captured. The body in the place of each
replay does the same, unless something reads what the capture bound before the first replay, or gradients pile up that a
graph would overwrite.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator

import msgspec

from porter.index.outline import Span, dotted, in_scope, own_names
from porter.rules.base import Context, Edits, TextEdit

_MOST = 6  # statements that the replays may come to: beyond that a function is in order, which a person names
_SIMPLE = (ast.Assign, ast.AugAssign, ast.Expr)


class Graph(msgspec.Struct, frozen=True):
    """One graph: what it is called, where it is made, captured and replayed, and where all of that is visible."""

    name: str
    home: ast.AST  # a function, or the class of `self.graph`
    made: ast.stmt
    capture: ast.With
    replays: list[ast.stmt]


def without_graph(offset: int, ctx: Context) -> tuple[Span, Edits] | None:
    """The edits that take out the graph made or captured at ``offset``, and its creation; None where porter cannot."""
    graph = _graph(offset, ctx)
    if graph is None or not _is_plain(graph) or not _runs_alike(graph, ctx):
        return None
    from porter.rewrite.calls import delete_statement

    outline, text = ctx.outline(), ctx.source.text
    edits: list[TextEdit] = []
    for statement in (graph.made, graph.capture):
        span = outline.span(statement)
        gone = delete_statement(text, span.start, span.end, len(outline.block(span.start)))
        if gone is None:
            return None
        edits.append(gone)
    for replay in graph.replays:
        span = outline.span(replay)
        edits.append(TextEdit(span.start, span.end, _body(graph.capture, replay.col_offset, ctx)))
    return outline.span(graph.made), tuple(sorted(edits))


def _graph(offset: int, ctx: Context) -> Graph | None:
    """The graph at a place: its creation or its capture."""
    around = ctx.outline().around(offset)
    if not around:
        return None
    match around[-1]:
        case ast.Assign(targets=[target]):
            name = dotted(target)
        case ast.With(items=[ast.withitem(context_expr=ast.Call(args=[argument], keywords=[]), optional_vars=None)]):
            name = dotted(argument)
        case _:
            return None
    if name is None:
        return None
    return _found(name, ctx.outline().home(name, offset))


def _found(name: str, home: ast.AST) -> Graph | None:
    """The graph of that name, if it is made once, captured once, replayed, and used for nothing else."""
    made: list[ast.stmt] = []
    captures: list[ast.With] = []
    replays: list[ast.stmt] = []
    nodes = list(in_scope(home, name))
    for node in nodes:
        match node:
            case ast.Assign(targets=[target], value=ast.Call(args=[], keywords=[])) if dotted(target) == name:
                made.append(node)
            case ast.With(items=[ast.withitem(context_expr=ast.Call(args=[argument], keywords=[]))]):
                captures += [node] if dotted(argument) == name else []
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=graph, attr="replay"), args=[], keywords=[])):
                replays += [node] if dotted(graph) == name else []
    uses = sum(isinstance(node, ast.expr) and dotted(node) == name for node in nodes)
    if len(made) != 1 or len(captures) != 1 or not replays or uses != 2 + len(replays):
        return None
    return Graph(name, home, made[0], captures[0], replays)


def _is_plain(graph: Graph) -> bool:
    """Whether the body can stand in the place of each replay."""
    body = graph.capture.body
    nodes = [n for s in body for n in ast.walk(s)]
    calls = [n.func.attr for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
    piles_up = "backward" in calls and ("zero_grad" not in calls or calls.index("zero_grad") > calls.index("backward"))
    return all(isinstance(s, _SIMPLE) for s in body) and len(body) * len(graph.replays) <= _MOST and not piles_up


def _runs_alike(graph: Graph, ctx: Context) -> bool:
    """Whether each replay sees the names of the body, and nothing reads what the body binds before it has run."""
    outline = ctx.outline()
    inside = outline.span(graph.capture)
    body = outline.span(graph.capture.body[0]).start
    if any(body <= site.start < inside.end for site in ctx.sites):
        return False  # what has to be ported itself is not copied
    function = outline.innermost(inside.start)
    replays = [outline.span(replay).start for replay in graph.replays]
    apart = any(outline.innermost(start) is not function for start in replays)
    if apart and _locals(graph.capture, function):
        return False
    bound = {name for s in graph.capture.body for name in _bound(s)}
    reads = (n for n in in_scope(graph.home, "") if isinstance(n, ast.Name | ast.Attribute) and dotted(n) in bound)
    places = [outline.span(n).start for n in reads if isinstance(n.ctx, ast.Load)]
    return all(_after_replay(place, replays, ctx) for place in places if place > inside.end or (apart and place < body))


def _after_replay(place: int, replays: list[int], ctx: Context) -> bool:
    """Whether a replay comes first in the same function."""
    function = ctx.outline().innermost(place)
    return any(start < place and ctx.outline().innermost(start) is function for start in replays)


def _locals(capture: ast.With, function: ast.AST | None) -> set[str]:
    """Names of the body that belong to the function around it, but for `self`."""
    if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
        return set()
    used = {n.id for s in capture.body for n in ast.walk(s) if isinstance(n, ast.Name)}
    return (own_names(function) & used) - {"self"}


def _bound(statement: ast.stmt) -> Iterator[str]:
    for node in ast.walk(statement):
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield dotted(node) or ""


def _body(capture: ast.With, column: int, ctx: Context) -> str:
    """The text of the body, to stand at a column; its first line has its indentation already."""
    outline, text = ctx.outline(), ctx.source.text
    start, end = outline.span(capture.body[0]).start, outline.span(capture.body[-1]).end
    line = text.rfind(b"\n", 0, start) + 1
    lines = textwrap.dedent(text[line:end].decode()) if not text[line:start].strip() else text[start:end].decode()
    return textwrap.indent(lines, " " * column).lstrip()
