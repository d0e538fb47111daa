"""What the answer of a device test is called, and what is evaluated only where it holds."""

from __future__ import annotations

import ast
import re

from porter.index.guards import condition
from porter.index.outline import Span, dotted
from porter.index.site import Site
from porter.rules.base import Context

_ASSIGNED = re.compile(rb"([A-Za-z_][\w.]*)\s*(?::[^=\n]*)?=(?!=)")
_SEVERAL = re.compile(rb"((?:[A-Za-z_]\w*\s*,\s*)+[A-Za-z_]\w*)\s*=(?!=)")
_WORD = re.compile(rb"[A-Za-z_]\w*")
_AND = re.compile(rb"\band\b")
_COUNTS = re.compile(rb"\bcuda\.device_count\(\)|\bn_?(?:gpu|device)s?\b", re.I)


def flag(site: Site, ctx: Context) -> bytes | None:
    """The name that a statement gives to the test's answer, also as one of several."""
    text = statement_of(site, ctx)
    assigned = _ASSIGNED.match(text)
    if assigned is not None:
        return assigned[1]
    several = _SEVERAL.match(text)
    if several is None or site.statement is None:
        return None
    names = [name.strip() for name in several[1].split(b",")]
    behind = ctx.source.text[site.end : site.statement.end].count(b",")  # the values that follow
    return names[-1 - behind] if behind < len(names) else None


def reads(flag: bytes) -> re.Pattern[bytes]:
    """What finds a variable of this name in a condition."""
    return re.compile(rb"(?<![\w.])" + re.escape(flag) + rb"(?![\w(])")


def naming(ctx: Context, name: bytes) -> list[Span]:
    """The conditions of the file that read a variable."""
    found = ctx.once(_by_word).get(words(name)[-1], ())
    return [span for span in found if reads(name).search(ctx.source.text, span.start, span.end)]


def _by_word(ctx: Context) -> dict[bytes, list[Span]]:
    """The conditions of the file by the words in them."""
    found: dict[bytes, list[Span]] = {}
    for span in {Span(guard.start, guard.end) for site in ctx.sites for guard in site.guards}:
        for word in set(words(ctx.source.text[span.start : span.end])):
            found.setdefault(word, []).append(span)
    return found


def words(text: bytes) -> list[bytes]:
    """The words of a piece of code, in order."""
    return _WORD.findall(text)


def only_denied(name: str, test: Site, ctx: Context) -> bool:
    """Whether a variable that holds the test's answer is given nothing else but a constant that is false."""
    outline = ctx.outline()
    nodes = list(ast.walk(outline.home(name, test.start)))
    given: list[tuple[ast.expr, ast.expr]] = []
    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                given += zip(names, values, strict=False)
            case ast.Assign(targets=[target], value=value):
                given.append((target, value))
    own = outline.span(outline.around(test.start)[-1])
    fine = [t for t, v in given if (isinstance(v, ast.Constant) and not v.value) or own.holds(outline.span(t).start)]
    named = (n for n in nodes if isinstance(n, ast.Name | ast.Attribute) and isinstance(n.ctx, ast.Store))
    return all(n in fine for n in named if dotted(n) == name)


def follows(site: Site, test: Site, ctx: Context) -> bool:
    """Whether a site is evaluated only where a test holds, which stands in front of it with an ``and`` between."""
    if site.statement is None or test.statement is None or site.statement.start != test.statement.start:
        return False
    if (rest := unless(test, ctx)) is not None and rest.holds(site.start):
        return True
    between = ctx.source.text[test.end : max(test.end, site.start)]
    return _AND.search(between) is not None and b" or " not in statement_of(site, ctx)


def unless(test: Site, ctx: Context) -> Span | None:
    """What an ``or`` evaluates only where the test holds, which it denies: ``device != "cuda" or asks(device)``."""
    outline = ctx.outline()
    for node in outline.expressions(test.start, test.end):
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
            denied = next((v for v in node.values[:-1] if outline.span(v).holds(test.start)), None)
            if denied is not None and condition(denied, dotted).otherwise > 0:
                return Span(outline.span(denied).end, outline.span(node).end)
    return None


def statement_of(site: Site, ctx: Context) -> bytes:
    """The text of the site's own statement; empty where it has none."""
    return ctx.source.text[site.statement.start : site.statement.end] if site.statement is not None else b""


def counted(site: Site, ctx: Context) -> bool:
    """Whether the site runs only where there are several GPUs of one process, as the program counts them."""
    return any(_COUNTS.search(ctx.source.text, g.start, g.end) for g in site.guards)
