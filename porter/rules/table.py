"""Judging by the catalogue alone: what most rules do, and what the others fall back to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from porter.catalog.schema import Answer, Row
from porter.index.site import Call, Site
from porter.model import Effort, Verdict
from porter.rules.base import Context, Dismissed, Edits, Judgement
from porter.rules.presence import replaced, spelled
from porter.rules.spelling import expression

if TYPE_CHECKING:
    from porter.rewrite.calls import CallEditor

_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_NAME = re.compile(r"[._\d]|porter$")
_DENIED = re.compile(rb"\bnot\s+\Z")
_PRESENT = " is not None"
_NAMES_CUDA = re.compile(rb"cuda|cudnn|nccl|nvtx|nvidia", re.I)
_EDITED = (Verdict.AUTO, Verdict.REVIEW)
_LEFT = (Verdict.MANUAL, Verdict.BLOCKED)
_EFFORT = {
    Verdict.PORTABLE: Effort.NONE,
    Verdict.AUTO: Effort.NONE,
    Verdict.REVIEW: Effort.MINUTES,
    Verdict.MANUAL: Effort.HOURS,
    Verdict.BLOCKED: Effort.DAYS,
    Verdict.UNKNOWN: Effort.HOURS,
}


def judge_by_row(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """The row's answer for the target, with the edit that its action asks for.

    What works as it is and does not even say CUDA is no finding, nor is what another finding of the file says.
    """
    answer = ctx.answer(row)
    if site.kind == "argument" and (reason := _harmless(site, row, answer, ctx)):
        return Dismissed(site, reason)
    if answer.verdict is Verdict.PORTABLE and not _NAMES_CUDA.search(ctx.source.text, site.start, site.end):
        return Dismissed(site, "agnostic")
    if (answer.verdict in _LEFT or site.role == "import") and site.kind == "symbol" and _told_elsewhere(site, row, ctx):
        return Dismissed(site, "part")
    if answer.verdict not in _EDITED or not ctx.edits:
        return judgement(site, row, ctx)
    action = action_of(answer)
    if site.kind == "argument" and not _matches(site.detail, row.values):
        return by_hand(site, row, ctx, "a name or a condition chooses it: change that")
    if action == "argument" and _matches(site.detail, answer.fits):
        return _argument_judged(site, row, answer, ctx)
    if action in ("rename", "callee"):
        new = replaced(site, answer, ctx)
        if new.why:
            return by_hand(site, row, ctx, new.why)
        return judgement(site, row, ctx, rename=new.rename, edits=new.edits)
    if action == "constant" and site.call is not None:
        return judgement(site, row, ctx, edits=_constant(site, site.call, answer, ctx))
    if action == "delete" and site.kind != "argument" and (edits := _deletion(site, ctx)):
        return judgement(site, row, ctx, edits=edits)
    return by_hand(site, row, ctx)


def _deletion(site: Site, ctx: Context) -> Edits:
    """The edits that take the site's statement away; of a ``return``, its value. None where a name gets the value."""
    from porter.rewrite.calls import delete_statement

    statement = site.statement
    if statement is None or not statement.alone:
        return ()
    if statement.kind == "Return":
        return ctx.edit(site.call.start, site.call.end, "None") if site.call is not None else ()
    if statement.kind != "Expr" and site.role != "store":
        return ()
    edit = delete_statement(ctx.source.text, statement.start, statement.end, statement.siblings)
    return (edit,) if edit is not None else ()


def _argument_judged(site: Site, row: Row, answer: Answer, ctx: Context) -> Judgement:
    """An argument of a call; or the default of a field, which is one of the base's constructor."""
    if site.call is not None:
        return judgement(site, row, ctx, edits=_arguments(site, row, ctx))
    field = site.name.rpartition("(")[2].removesuffix(")")
    name, _, value = answer.replacement.partition("=")
    if name not in ("", field):
        return by_hand(site, row, ctx, f"turn `{field}` off with it")
    value = value or {"True": "False"}.get(site.detail, "")
    if ctx.text(site.start, site.start + 1) == "'":
        value = value.replace('"', "'")  # as the file writes it
    return judgement(site, row, ctx, edits=ctx.edit(site.start, site.end, value) if value else None)


def _constant(site: Site, call: Call, answer: Answer, ctx: Context) -> Edits:
    """An expression in place of a call; ``not x is not None`` is ``x is None``."""
    text = expression(answer.replacement, site, ctx)
    denied = _DENIED.search(ctx.source.text, max(0, site.start - 40), site.start)
    if denied is not None and text.endswith(_PRESENT):
        return ctx.edit(denied.start(), call.end, f"{text.removesuffix(_PRESENT)} is None")
    bare = not text.endswith(_PRESENT) or site.parent not in ("Compare", "BinOp", "Attribute", "Starred")
    return ctx.edit(call.start, call.end, text if bare else f"({text})")


def _harmless(site: Site, row: Row, answer: Answer, ctx: Context) -> str | None:
    """Why an argument is no finding, if so. What its value says of CUDA is a site of its own.

    A variable, or a choice, is what it may be for a person; what porter would write, it has to be in any case.
    """
    if site.detail == "None" or not speaks_of(site, row, ctx, any if answer.verdict in _LEFT else all):
        return "agnostic"
    if answer.verdict is Verdict.PORTABLE or action_of(answer) == "rule":
        return "part"
    return None


def _matches(text: str, values: tuple[str, ...]) -> bool:
    """Whether an argument's value is one of these globs, of which none means all."""
    return not values or any(fnmatchcase(text, value) for value in values)


def speaks_of(site: Site, row: Row, ctx: Context, among: Callable[[Iterable[bool]], bool] = any) -> bool:
    """Whether a row is about the value of an argument; of a variable or a choice, about any or all that it may be."""
    if _matches(site.detail, row.values):
        return True
    if site.detail and not site.detail.isidentifier():
        return False
    constants = [repr(c.value) for c in ctx.outline().constants(site.start, site.end)]
    return bool(constants) and among(_matches(constant, row.values) for constant in constants)


def _told_elsewhere(site: Site, row: Row, ctx: Context) -> bool:
    """Whether another site stands for this one: a package is reported where it is imported, a name where it is used."""

    def alike(other: Site) -> bool:
        return ctx.catalogue.find(other.kind, other.name) is row

    if package_of(site.name, row) is None:
        return site.role == "import" and any(other.role != "import" and alike(other) for other in ctx.sites)
    told = None
    for other in ctx.sites:
        if other.role == "import" and alike(other):
            told = told or other
            if not other.guards:  # an import that may fail does not stand for one that may not
                return other.start != site.start
    return told is not None and told.start != site.start


def package_of(name: str, row: Row) -> str | None:
    """The third-party package that a name belongs to, if its row answers for all of the package."""
    names = () if name.startswith("torch.") else (row.name, *row.also)
    return next((n for n in names if f"{n}.*" in names and f"{name}.".startswith(f"{n}.")), None)


def _arguments(site: Site, row: Row, ctx: Context) -> Edits | None:
    """The edits of an argument, and of those on its line that the same rule changes: commas are theirs together."""
    from porter.rewrite.calls import CallEditor

    assert site.call is not None
    editor = CallEditor(ctx.source.text, site.call)
    for other in ctx.sites:
        if other.kind == "argument" and other.call == site.call and other.line == site.line:
            found = ctx.catalogue.find(other.kind, other.name)
            if found is None or found.rule != row.rule or not _changes(other, found, ctx):
                continue
            if not _argument(other, site.call, ctx.answer(found).replacement, editor) and other is site:
                return None
    return editor.edits()


def _changes(site: Site, row: Row, ctx: Context) -> bool:
    """Whether the row's answer gives or takes the argument."""
    answer = ctx.answer(row)
    if answer.verdict not in _EDITED or action_of(answer) != "argument":
        return False
    is_told = _harmless(site, row, answer, ctx) is None and _matches(site.detail, row.values)
    return is_told and _matches(site.detail, answer.fits)


def _argument(site: Site, call: Call, replacement: str, editor: CallEditor) -> bool:
    """Put an argument in the place of the one at the site; see ACTIONS. False where it is passed already."""
    argument = next((a for a in call.arguments if a.start == site.start), None)
    name, _, value = replacement.partition("=")
    passed = call.get(name)
    if argument is None:
        return False
    if passed is not None and passed != argument:
        if not (value == "True" and argument.literal is True and passed.literal is False):
            return False
        editor.replace(argument, "False").replace(passed, value)  # two switches: each takes what the other has
        return True
    if not replacement:
        editor.remove(argument)
    elif argument.keyword not in (None, name):
        editor.rename_keyword(argument, name)
    if value:
        editor.replace(argument, value)
    return True


def action_of(answer: Answer) -> str:
    """What porter does for an answer; see `porter.catalog.schema.ACTIONS`."""
    if answer.action or answer.verdict not in _EDITED:
        return answer.action or "none"
    return "rename" if _DOTTED.fullmatch(answer.replacement) else "rule"


def judgement(
    site: Site,
    row: Row,
    ctx: Context,
    *,
    verdict: Verdict | None = None,
    message: str = "",
    advice: str = "",
    note: str | None = "",
    edits: Edits | None = (),
    rename: str | None = None,
    group: str | None = None,
) -> Judgement:
    """A judgement that takes from the row whatever is not given.

    ``note`` is None where the advice says all: what the row notes is of what it would write.
    ``edits`` is None where a builder could not make them: the judgement is then `manual`.
    A verdict that promises an edit is never given without one (but see `Context.edits`).
    """
    answer = ctx.answer(row)
    verdict = verdict or answer.verdict
    promised = ctx.edits and verdict in _EDITED
    if promised and (edits is None or (not edits and rename is None)):
        verdict = Verdict.MANUAL
    return Judgement(
        site=site,
        row=row,
        verdict=verdict,
        message=message or f"{subject(site, row)} {row.summary}",
        advice=sentence(advice or _advice(answer, verdict, ctx), "" if note is None else note or answer.note),
        effort=_effort(answer, verdict),
        evidence=answer.evidence,
        edits=tuple(edits or ()) if verdict in _EDITED else (),
        rename=rename if verdict in _EDITED else None,
        group=group,
    )


def _effort(answer: Answer, verdict: Verdict) -> Effort:
    if verdict is answer.verdict and answer.effort is not None:
        return answer.effort
    known = verdict is Verdict.MANUAL and answer.verdict in _EDITED
    return Effort.MINUTES if known else _EFFORT[verdict]  # to write by hand what porter would have written is no riddle


def by_hand(
    site: Site, row: Row, ctx: Context, why: str = "", message: str = "", group: str | None = None
) -> Judgement:
    """What porter would write but cannot here: `manual`, with the replacement and the reason as advice."""
    answer = ctx.answer(row)
    advice = answer.advice or (f"write `{answer.replacement}` by hand" if answer.replacement else "")
    return judgement(site, row, ctx, verdict=Verdict.MANUAL, advice=advice, note=why, message=message, group=group)


def subject(site: Site, row: Row | None = None) -> str:
    """The construct as messages name it; the package where the row's summary tells what that is."""
    name = site.name
    if site.kind in ("symbol", "method") and site.role in ("call", "decorator") and site.call is not None:
        name += "()"
    elif site.kind == "symbol" and row is not None:
        name = package_of(name, row) or name
    return f"`{name}`"


def sentence(*parts: str) -> str:
    """Advice and note as one text: each part a sentence."""
    done = []
    for part in filter(None, map(str.strip, parts)):
        name = _NAME.search(part.split()[0].rstrip("."))
        done.append(part if name else part[0].upper() + part[1:])
    return " ".join(p if p.endswith((".", "!", "?", ":")) else p + "." for p in done)


def _advice(answer: Answer, verdict: Verdict, ctx: Context) -> str:
    """The row's advice, else what takes the symbol's place with the oldest PyTorch that is to run the program."""
    if answer.advice:
        return answer.advice
    if not answer.replacement or verdict is Verdict.PORTABLE:
        return ""
    return f"write `{spelled(answer, ctx) or answer.replacement}`"
