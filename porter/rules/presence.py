"""Replacements that ask more of the machine than CUDA's call did: a device that is there, a PyTorch that is new enough.

`torch.cuda.empty_cache()` does nothing without a GPU, `torch.accelerator.empty_cache()` raises there. Behind a test for
the device its name is all that changes; elsewhere the edit brings the test along. What an answer asks is data: see
`porter.catalog.schema.Answer`, ``since``, ``older`` and ``absent``.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec
from msgspec.structs import replace

from porter.catalog.schema import Answer
from porter.index.guards import condition as told
from porter.index.noted import chooses
from porter.index.outline import dotted
from porter.index.site import Call, Site
from porter.rules.base import Context, Edits, Judgement, TextEdit, named
from porter.rules.placement.flags import flag, follows
from porter.rules.spelling import expression
from porter.sources.source import Source

_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
# Tests for a device that are not CUDA's: `torch.accelerator.is_available()`, `device.type != "cpu"`.
_GENERAL = re.compile(
    r"^[\w.]*accelerator\.is_available\(\)$| (?:!=|not in) (?:[\w.]+\()?'(?:cpu|gloo)'|^'cpu' (?:!=|not in) "
    r"|^not [\w.()]+\.startswith\('cpu'"
)
_PERHAPS = re.compile(rb"accelerator\.is_available|[\"'](?:cpu|gloo)[\"']")  # in a file that has such tests
_TEST = "\ue002"  # in an edit: a test for the device, which `join` writes
_PRESENT = "torch.accelerator.is_available()"
_ONLY = re.compile(rb"assert[\s(]+(?:[\w.]+\s+==\s*)?")
_ASKING = ("torch.cuda.is_available", "torch.Tensor.is_cuda")
_ASKS = frozenset({"cuda", "after"})  # guards behind which there is a device
_LOOSE = frozenset({"", "AnnAssign", "Assign", "Call", "Dict", "Expr", "FormattedValue", "List", "Return", "keyword"})
_INDENT = re.compile(rb"^([ \t]+)(?:(?!#)\S)", re.M)
_BLANK_TO_END = re.compile(rb"[ \t]*(?:#[^\r\n]*)?(?:\r?\n|\Z)")


_OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Eq: ast.NotEq, ast.In: ast.NotIn}


class Replaced(msgspec.Struct, frozen=True):
    """How to write what takes a symbol's place: its new name, or the edits; or why that cannot be."""

    rename: str | None = None
    edits: Edits = ()
    why: str = ""


def release(text: str) -> tuple[int, ...]:
    """``2.10`` as numbers, to compare."""
    return tuple(int(part) for part in text.split("."))


def spelled(answer: Answer, ctx: Context) -> str:
    """What takes the symbol's place with the oldest PyTorch that is to run the program; empty where nothing does."""
    if not answer.since or release(answer.since) <= release(ctx.min_torch):
        return answer.replacement
    return answer.older


def replaced(site: Site, answer: Answer, ctx: Context) -> Replaced:
    """The answer's replacement, written for the site."""
    if (borrowed := _borrowed(site, answer, ctx)) is not None:
        return borrowed
    new = spelled(answer, ctx)
    if not new:
        return Replaced(why=f"`{answer.replacement}` came with PyTorch {answer.since}: raise `min-torch` to have it")
    plain = _DOTTED.fullmatch(new) is not None
    if not plain and not site.editable:
        return Replaced(why=f"`{new}` cannot be written here")
    name = () if plain else ctx.edit(site.start, site.end, expression(new))
    rename = new if plain else None
    if site.role in ("import", "annotation") or not answer.absent or is_present(site, ctx):
        return Replaced(rename, name)
    if site.call is None:
        return Replaced(why=f"without a device `{new}` raises, and CUDA's does not: see where it is called")
    if (test := behind(site, ctx)) is not None:
        return Replaced(rename, (*name, *test))
    if not site.editable or answer.absent == "None":
        return Replaced(why=f"without a device `{new}` raises: put `if {_PRESENT}:` around it")
    return Replaced(rename, (*name, *or_else(site, site.call, answer.absent, ctx)))


def behind(site: Site, ctx: Context) -> Edits | None:
    """The edit that puts the site's statement behind a test for the device; None where it is more than the call."""
    statement = site.statement
    if statement is None or not _stands_alone(site, ctx):
        return None
    return ctx.edit(statement.start, statement.start, _TEST)


def or_else(site: Site, call: Call, absent: str, ctx: Context) -> Edits:
    """The call where a device is, and another value where none is; in brackets where the expression around binds."""
    test = f" if {expression(_PRESENT)} else {expression(absent, site, ctx)}"
    if site.parent in _LOOSE:
        return ctx.edit(call.end, call.end, test)
    return (*ctx.edit(call.start, call.start, "("), *ctx.edit(call.end, call.end, f"{test})"))


def _borrowed(site: Site, answer: Answer, ctx: Context) -> Replaced | None:
    """The call of the helper's function, which needs no test; None where there is none, or the file has the name."""
    name, borrowing = site.name.rpartition(".")[2], ctx.borrowing
    if borrowing is None or name not in borrowing.names or not answer.absent:
        return None
    if site.call is None or site.alias is not None or not site.editable:
        return None
    has_name = re.search(rb"(?<![\w.])" + name.encode() + rb"\b", ctx.source.text) is not None
    if has_name and ctx.project.resolve(f"{ctx.module}.{name}", ctx.module) != f"{borrowing.module}.{name}":
        return None
    return Replaced(edits=ctx.edit(site.start, site.end, named(f"@{name}")))


def is_present(site: Site, ctx: Context) -> bool:
    """Whether the site runs only where a device is. Where its test stays CUDA's, so does the site."""
    if any(guard.kind in _ASKS for guard in site.guards):
        return True
    tests = [s for s in ctx.sites if s.end <= site.start and (s.name in _ASKING or s.use == "compare")]
    if any(follows(site, test, ctx) or _asserted(test, site, ctx) for test in tests):
        return True
    if not tests and not ctx.says(_PERHAPS):
        return False
    around = list(conditions(site, ctx))
    asked = (part for condition in around for part in _all_of(condition))
    if any(_GENERAL.search(ast.unparse(part)) for part in asked):
        return True
    return any(holds(test, condition, site, ctx) for test in tests for condition in around)


def conditions(site: Site, ctx: Context) -> Iterator[ast.expr]:
    """What holds where the site runs, by the branches and choices around it; of an ``else``, the opposite."""
    outline = ctx.outline()
    for node in (*outline.around(site.start), *outline.expressions(site.start, site.end)):
        if not isinstance(node, ast.If | ast.IfExp) or outline.span(node.test).holds(site.start):
            continue
        body = node.body if isinstance(node.body, list) else [node.body]
        if any(outline.span(part).holds(site.start) for part in body):
            yield node.test
        elif isinstance(node.test, ast.Compare) and (opposite := _OPPOSITE.get(type(node.test.ops[0]))) is not None:
            yield ast.Compare(node.test.left, [opposite()], node.test.comparators)


def asked_before(site: Site, ctx: Context) -> Iterator[ast.expr]:
    """What an ``and`` asks before it comes to the site."""
    outline = ctx.outline()
    yield from (part for part in outline.joined(site.start, site.end) if outline.span(part).end <= site.start)


def _all_of(condition: ast.expr) -> list[ast.expr]:
    """The parts of a condition that all hold where it does."""
    both = isinstance(condition, ast.BoolOp) and isinstance(condition.op, ast.And)
    return condition.values if both else [condition]  # type: ignore[attr-defined]


def holds(test: Site, condition: ast.expr, site: Site, ctx: Context) -> bool:
    """Whether a condition says that ``test`` holds: it is a part of it, or the name of its answer is."""
    outline = ctx.outline()
    if test.kind == "backend":
        compared = (p for p in _all_of(condition) if isinstance(p, ast.Compare) and hasattr(p, "lineno"))
        parts = (p for p in compared if isinstance(p.ops[0], ast.Eq))
        return any(outline.span(part).holds(test.start) for part in parts)
    name = flag(test, ctx)
    if name is None or not any(dotted(part) == name.decode() for part in _all_of(condition)):
        return False
    match outline.around(test.start):
        case [*_, ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value)] if told(value, dotted).cuda > 0:
            return name.startswith(b"self.") or site.inside(test.scope)
    return False


def _asserted(test: Site, site: Site, ctx: Context) -> bool:
    """Whether the program would not come to the site if the test did not hold: ``assert torch.cuda.is_available()``."""
    statement = test.statement
    if statement is None or statement.kind != "Assert" or not site.inside(test.scope):
        return False
    asked = ctx.source.text[statement.start : test.start]
    alternatives = b" or " in ctx.source.text[test.end : statement.end]
    return not test.guards and _ONLY.fullmatch(asked) is not None and not alternatives


def behind_test(statement: str, indent: str, ctx: Context) -> str:
    """A statement behind a test for the device, in a block that is indented by ``indent``."""
    return _behind(indent, _unit(ctx.source)) + statement


def _stands_alone(site: Site, ctx: Context) -> bool:
    """Whether the site's statement is nothing but the call, and has its lines to itself."""
    statement = site.statement
    if statement is None or statement.kind != "Expr" or not statement.alone:
        return False
    end = _BLANK_TO_END.match(ctx.source.text, statement.end)
    return end is not None and not _indent(ctx.source, statement.start).strip()


def hindrance(ctx: Context) -> str:
    """Why a file should not ask for the device as it is imported; empty where it may."""
    if not ctx.target.definitions:
        return ""
    chosen = ctx.project.noted.late_choices
    own = chosen.get(ctx.source.path) or _chosen_behind(ctx)
    if not chosen and own is None:
        return ""
    path, site = (ctx.source.path, own) if own is not None else next(iter(chosen.items()))
    place = f"line {site.line}" if own is not None else f"line {site.line} of `{path}`"
    return f"{place} sets `{site.name}` as it runs, and a name for the device would be settled before that"


def _chosen_behind(ctx: Context) -> Site | None:
    """Where a script chooses its GPU behind the import of PyTorch, with which it would be asked for the device."""
    choice = next((s for s in ctx.where("kind", "environment") if not s.scope and chooses(s)), None)
    imports = (node for node in ctx.outline().tree.body if isinstance(node, ast.Import)) if choice is not None else ()
    before = (n for n in imports if choice is not None and ctx.outline().span(n).start < choice.start)
    return choice if any(alias.name.partition(".")[0] == "torch" for n in before for alias in n.names) else None


def join(source: Source, judgements: Sequence[Judgement]) -> list[Judgement]:
    """Write the tests that edits put in front of statements: statements that follow one another stand behind one.

    Such a run becomes a group, for its first statement has the test of all of them.
    """
    unit, starts = _unit(source), sorted({e.start: j for j in judgements for e in j.edits if e.text == _TEST}.items())
    before: dict[int, str] = {}
    head: dict[int, int] = {}  # where the run of a statement starts
    runs: dict[int, str] = {}  # the group of a run, by its start
    first, last, label = 0, None, None
    for start, judgement in starts:
        indent = _indent(source, start)
        alike = None in (label, judgement.group) or label == judgement.group
        shared = last is not None and alike and _next_line(source, last, start, indent)
        first, label = (first, label or judgement.group) if shared else (start, judgement.group)
        before[start] = unit if shared else _behind(indent, unit)
        runs[first] = label or f"present:{first}"
        head[start] = first
        last = judgement
    sizes = Counter(head.values())

    def written(judgement: Judgement) -> Judgement:
        at = next((e.start for e in judgement.edits if e.text == _TEST), None)
        if at is None:
            return judgement
        edits = [TextEdit(at, at, before[at]) if e.text == _TEST else e for e in judgement.edits]
        edits += _indented(source, judgement, unit)
        together = runs[head[at]] if sizes[head[at]] > 1 else judgement.group
        return replace(judgement, edits=tuple(sorted(edits)), group=together)

    return [written(judgement) for judgement in judgements]


def _next_line(source: Source, above: Judgement, start: int, indent: str) -> bool:
    """Whether the statement at ``start`` stands on the line after that of the judgement above it, in its block."""
    assert above.site.statement is not None
    end = _BLANK_TO_END.match(source.text, above.site.statement.end)
    here = above.site.statement.start
    return end is not None and end.end() == start - len(indent.encode()) and _indent(source, here) == indent


def _indented(source: Source, judgement: Judgement, unit: str) -> list[TextEdit]:
    """The further lines of a statement that moves to the right. Those of a string that spans lines stay."""
    assert judgement.site.statement is not None
    start, end = judgement.site.statement.start, judgement.site.statement.end
    lines = [match.end() for match in re.compile(rb"\n(?=[^\r\n])").finditer(source.text, start, end)]
    strings = b'"""' in source.text[start:end] or b"'''" in source.text[start:end]
    return [] if strings else [TextEdit(line, line, unit) for line in lines]


def _indent(source: Source, start: int) -> str:
    return source.text[source.text.rfind(b"\n", 0, start) + 1 : start].decode()


def _behind(indent: str, unit: str) -> str:
    return f"if {expression(_PRESENT)}:\n{indent}{unit}"


def _unit(source: Source) -> str:
    """What the file indents by."""
    found = [match[1] for match in _INDENT.finditer(source.text)]
    if any(indent.startswith(b"\t") for indent in found[:1]):
        return "\t"
    return " " * min((len(indent) for indent in found if len(indent) > 1), default=4)
