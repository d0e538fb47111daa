"""Replacements that ask more of the machine than CUDA's call did: a device that is there, a PyTorch that is new enough.

`torch.cuda.empty_cache()` does nothing without a GPU, `torch.accelerator.empty_cache()` raises there. Behind a test for
the device its name is all that changes; elsewhere the edit brings the test along. What an answer asks is data: see
`porter.catalog.schema.Answer`, ``since``, ``older`` and ``absent``.
"""

from __future__ import annotations

import re

import msgspec

from porter.catalog.schema import Answer
from porter.index.site import Site
from porter.rules.base import Context, Edits, TextEdit
from porter.rules.placement.branches import flag, follows, reads
from porter.rules.spelling import expression

_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_PRESENT = "torch.accelerator.is_available()"
_TESTS = ("torch.cuda.is_available", "torch.Tensor.is_cuda")
_HOLDS = re.compile(rb"[\w.]+(?:\s+and\s+[\w.]+)*")  # what holds only where each of its names does
_ASKS = frozenset({"cuda", "after"})  # guards behind which there is a device
_LOOSE = frozenset({"", "AnnAssign", "Assign", "Call", "Dict", "Expr", "FormattedValue", "List", "Return", "keyword"})
_INDENT = re.compile(rb"^([ \t]+)(?:(?!#)\S)", re.M)
_BLANK_TO_END = re.compile(rb"[ \t]*(?:#[^\r\n]*)?(?:\r?\n|\Z)")


class Replaced(msgspec.Struct, frozen=True):
    """How to write what takes a symbol's place: its new name, or the edits; or why that cannot be."""

    rename: str | None = None
    edits: Edits = ()
    group: str | None = None  # of statements that share one test
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
    test = _test(site, ctx)
    if test is not None:
        return Replaced(rename, (*name, test[0]), test[1])
    if not site.editable or answer.absent == "None":
        return Replaced(why=f"without a device `{new}` raises: put `if {_PRESENT}:` around it")
    opening, closing = ("", "") if site.parent in _LOOSE else ("(", ")")
    from porter.rewrite.calls import quote

    absent = quote(ctx.source.text, site, answer.absent[1:-1]) if answer.absent.startswith('"') else answer.absent
    otherwise = f" if {expression(_PRESENT)} else {absent}{closing}"
    around = [TextEdit(site.call.end, site.call.end, otherwise)]
    if opening:
        around.insert(0, TextEdit(site.call.start, site.call.start, opening))
    return Replaced(rename, (*name, *around))


def is_present(site: Site, ctx: Context) -> bool:
    """Whether the site runs only where a device is. Where its test stays CUDA's, so does the site."""
    if any(guard.kind in _ASKS for guard in site.guards):
        return True
    tests = [s for s in ctx.sites if s.end <= site.start and (s.name in _TESTS or s.use == "compare")]
    if any(follows(site, test, ctx) for test in tests):
        return True
    held = [ctx.source.text[guard.start : guard.end] for guard in site.guards if guard.kind == "mention"]
    names = {name for test in tests if held and (name := flag(test, ctx)) is not None}
    return any(_HOLDS.fullmatch(text) and reads(name).search(text) for text in held for name in names)


def behind_test(statement: str, indent: str, ctx: Context) -> str:
    """A statement behind a test for the device, in a block that is indented by ``indent``."""
    return f"if {expression(_PRESENT)}:\n{indent}{_unit(ctx)}{statement}"


def _stands(site: Site, ctx: Context) -> bytes | None:
    """The white space before the site's statement, if that is nothing but the call and has its lines to itself."""
    statement = site.statement
    if statement is None or statement.kind != "Expr" or not statement.alone:
        return None
    text = ctx.source.text
    line = text.rfind(b"\n", 0, statement.start) + 1
    indent = text[line : statement.start]
    return None if indent.strip() or _BLANK_TO_END.match(text, statement.end) is None else indent


def _test(site: Site, ctx: Context) -> tuple[TextEdit, str | None] | None:
    """What to put in front of the site's statement, so that it runs where a device is; and the group that shares it.

    Statements that follow one another stand behind one test.
    """
    indent = _stands(site, ctx)
    if indent is None or site.statement is None:
        return None
    start = site.statement.start
    run = _run(site, indent, ctx)
    group = f"present:{run[0]}" if len(run) > 1 else None
    text = _unit(ctx) if start != run[0] else behind_test("", indent.decode(), ctx)
    return TextEdit(start, start, text), group


def _run(site: Site, indent: bytes, ctx: Context) -> list[int]:
    """Where the statements start that can share a test, the site's among them."""
    alike = {s.statement.start: s.statement.end for s in ctx.sites if s.statement and _wants_test(s, indent, ctx)}
    text, starts = ctx.source.text, sorted(alike)
    runs: list[list[int]] = []
    for start in starts:
        between = text[alike[runs[-1][-1]] : start] if runs else b"x"
        if not between.strip() and between.count(b"\n") == 1 and between.endswith(b"\n" + indent):
            runs[-1].append(start)
        else:
            runs.append([start])
    assert site.statement is not None
    return next((run for run in runs if site.statement.start in run), [site.statement.start])


def _wants_test(site: Site, indent: bytes, ctx: Context) -> bool:
    row = ctx.catalogue.find(site.kind, site.name)
    if row is None or site.role != "call" or site.call is None or is_present(site, ctx):
        return False
    answer = ctx.answer(row)
    return bool(answer.absent and spelled(answer, ctx)) and _stands(site, ctx) == indent


def _unit(ctx: Context) -> str:
    """What the file indents by."""
    found = [match[1] for match in _INDENT.finditer(ctx.source.text)]
    if any(indent.startswith(b"\t") for indent in found[:1]):
        return "\t"
    return " " * min((len(indent) for indent in found if len(indent) > 1), default=4)
