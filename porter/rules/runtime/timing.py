"""Events that time a part of one function, as readings of a clock: for a device that has no events.

An event marks a place in a queue; ``elapsed_time`` is the time between two marks. A clock that is read once the device
has done its work says the same, and the differences of its readings are seconds.
"""

from __future__ import annotations

import ast

import msgspec

from porter.index.outline import Span
from porter.index.site import Site
from porter.rules.base import Context, Edits, TextEdit, named

_EVENT = "torch.cuda.Event"


class Timer(msgspec.Struct):
    """Events that are timed with each other: by what statements they are made, marked, waited for and read."""

    names: set[str]
    made: list[ast.Assign] = []
    marks: list[tuple[str, ast.Expr]] = []
    waits: list[ast.Expr] = []
    reads: list[tuple[ast.Call, str, str]] = []


def clocked(site: Site, ctx: Context) -> tuple[str, Edits] | None:
    """The group of the event at a site, and the edits that a clock takes there; None where not all is in sight."""
    outline = ctx.outline()
    home = outline.innermost(site.start) or outline.tree
    timer = _timer(site, home, ctx)
    if timer is None:
        return None
    edits = [edit for edit in (*_gone(timer, ctx), *_marked(timer, ctx), *_read(timer, ctx)) if edit is not None]
    if len(edits) < len(timer.made) + len(timer.waits) + len(timer.marks) + len(timer.reads):
        return None
    mine = (e for e in edits if site.call is not None and e.start <= site.call.start and site.call.end <= e.end)
    start = 0 if home is outline.tree else outline.span(home).start
    return f"timer:{start}:{min(timer.names)}", tuple(mine)


def _timer(site: Site, home: ast.AST, ctx: Context) -> Timer | None:
    """The events that belong to the one at a site, if nothing else is done with them than to measure a time."""
    outline = ctx.outline()
    calls = {s.call.start for s in ctx.sites if s.name == _EVENT and s.call is not None}
    nodes = list(ast.walk(home))
    made: dict[str, ast.Assign] = {}
    for node in nodes:
        for name in _events(node, calls, ctx):
            if name in made:
                return None
            made[name] = node  # type: ignore[assignment]
    pairs = [call for node in nodes if (call := _elapsed(node)) is not None and {call[1], call[2]} <= made.keys()]
    names = {name for name, statement in made.items() if _holds(statement, site, ctx)} or {_receiver(site, ctx)}
    for _ in made:
        together = [{a, b} for _, a, b in pairs]
        together += [{n for n, s in made.items() if s is statement} for statement in made.values()]
        names = names.union(*(group for group in together if group & names))
    if not names <= made.keys():
        return None
    timer = Timer(names, list(dict.fromkeys(made[name] for name in sorted(names))))
    timer.reads = [pair for pair in pairs if pair[1] in names]
    for node in nodes:
        match node:
            case ast.Expr(ast.Call(ast.Attribute(ast.Name(name), "record"), [], [])) if name in names:
                timer.marks.append((name, node))
            case ast.Expr(ast.Call(ast.Attribute(ast.Name(name), "synchronize"), [], [])) if name in names:
                timer.waits.append(node)
    mentions = [n for n in nodes if isinstance(n, ast.Name) and n.id in names]
    known = len(names) + len(timer.marks) + len(timer.waits) + 2 * len(timer.reads)
    nested = any((outline.innermost(outline.span(n).start) or outline.tree) is not home for n in mentions)
    measured, marked = {name for _, a, b in timer.reads for name in (a, b)}, {name for name, _ in timer.marks}
    return timer if len(mentions) == known and not nested and measured == marked == names else None


def _events(node: ast.AST, calls: set[int], ctx: Context) -> list[str]:
    """The names that a statement gives to new events, and to nothing else."""
    match node:
        case ast.Assign(targets=[ast.Name(name)], value=value):
            pairs = [(name, value)]
        case ast.Assign(targets=[ast.Tuple(targets)], value=ast.Tuple(values)) if len(targets) == len(values):
            pairs = [(t.id if isinstance(t, ast.Name) else "", v) for t, v in zip(targets, values, strict=True)]
        case _:
            return []
    new = [name for name, value in pairs if isinstance(value, ast.Call) and ctx.outline().span(value).start in calls]
    return new if len(new) == len(pairs) and all(new) else []


def _elapsed(node: ast.AST) -> tuple[ast.Call, str, str] | None:
    match node:
        case ast.Call(ast.Attribute(ast.Name(start), "elapsed_time"), [ast.Name(end)], []):
            return node, start, end
    return None


def _holds(statement: ast.stmt, site: Site, ctx: Context) -> bool:
    return site.name == _EVENT and ctx.outline().span(statement).holds(site.start)


def _receiver(site: Site, ctx: Context) -> str:
    return ctx.text(site.receiver.start, site.receiver.end) if site.receiver is not None else ""


def _gone(timer: Timer, ctx: Context) -> list[TextEdit | None]:
    """The statements that make events, or wait for them: a mark waits already."""
    from porter.rewrite.calls import delete_statement

    outline, text = ctx.outline(), ctx.source.text
    spans = [outline.span(statement) for statement in (*timer.made, *timer.waits)]
    return [delete_statement(text, s.start, s.end, len(outline.block(s.start))) for s in spans]


def _marked(timer: Timer, ctx: Context) -> list[TextEdit | None]:
    """A reading of the clock, in the place of each mark."""
    found: list[TextEdit | None] = []
    for name, statement in timer.marks:
        span = ctx.outline().span(statement)
        before = ctx.text(ctx.source.line_starts[ctx.outline().line(span.start) - 1], span.start)
        wait, read = f"{named('torch_xla.sync')}(wait=True)", f"{name} = {named('time.perf_counter')}()"
        both = f"{wait}{ctx.source.newline}{before}{read}"
        found.append(TextEdit(span.start, span.end, both) if not before.strip() else None)
    return found


def _read(timer: Timer, ctx: Context) -> list[TextEdit | None]:
    """The milliseconds between two readings."""
    found: list[TextEdit | None] = []
    for call, start, end in timer.reads:
        span: Span = ctx.outline().span(call)
        text = f"({end} - {start}) * 1000"
        around = ctx.outline().expressions(span.start, span.end)[:-1]
        tight = bool(around) and _binds_tighter(around[-1], call)
        found.append(TextEdit(span.start, span.end, f"({text})" if tight else text))
    return found


def _binds_tighter(outer: ast.expr, inner: ast.expr) -> bool:
    """Whether a product in the place of ``inner`` needs brackets."""
    if isinstance(outer, ast.BinOp):
        return outer.left is not inner or isinstance(outer.op, ast.Pow)
    return isinstance(outer, ast.Attribute | ast.Await | ast.Subscript | ast.UnaryOp)
