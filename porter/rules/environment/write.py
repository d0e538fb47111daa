"""Judging sites in files that are not Python, with the edits that the catalogue promises for them."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from porter.catalog.schema import Row
from porter.index.facts import PYTHON
from porter.index.site import Site, Statement
from porter.model import Effort, Verdict
from porter.rewrite import lines
from porter.rules.base import Context, Dismissed, Edits, Judgement, TextEdit
from porter.rules.table import by_hand, judgement

_EDITED = (Verdict.AUTO, Verdict.REVIEW)
# Options that go with their value: they set a variable, for mpirun and docker, or name a channel, for conda.
_OPTIONS = {"environment": (b"-x", b"-e", b"--env", b"-genv"), "channel": (b"-c", b"--channel")}

Builder = Callable[[Site, str, Context], "Edits | None"]  # of the edit that writes an answer's replacement


def in_python(site: Site, ctx: Context) -> bool:
    """Whether the site stands in Python, not in a file or a magic of another language."""
    return ctx.source.kind_at(site.start) in PYTHON


def write(
    site: Site, row: Row, ctx: Context, build: Builder, message: str = "", why: str = ""
) -> Judgement | Dismissed:
    """The row's answer. Where it promises an edit, ``build`` makes it, or the line, entry or word goes.

    ``why`` is what keeps porter from it: a person then does what the answer says, which takes minutes. So is it in a
    program, where what to write is known, and not how. What is only read is told once a file.
    """
    answer = ctx.answer(row)
    if answer.verdict not in _EDITED:
        result = judgement(site, row, ctx, message=message)
    elif why or in_python(site, ctx):
        result = msgspec.structs.replace(by_hand(site, row, ctx, why, message), effort=Effort.MINUTES)
    else:
        edits = None
        if ctx.edits:
            edits = delete(site, ctx) if answer.action == "delete" else build(site, answer.replacement, ctx)
        result = judgement(site, row, ctx, message=message, edits=edits)
    if site.role == "load" and not result.edits and _seen(site, ctx):
        return Dismissed(site, "part")
    return result


def _seen(site: Site, ctx: Context) -> bool:
    return any(s.kind == site.kind and s.start < site.start for s in ctx.where("name", site.name))


def instead(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """The row's answer where a file says what the program imports: a person writes another, and its arguments."""
    portable = ctx.answer(row).verdict is Verdict.PORTABLE
    return Dismissed(site, "agnostic") if portable else judgement(site, row, ctx)


def part(old: str) -> Builder:
    """A builder that writes the replacement in the place of ``old``, which stands within the site."""

    def build(site: Site, new: str, ctx: Context) -> Edits | None:
        at = ctx.source.shown.rfind(old.encode(), site.start, site.end)
        return (TextEdit(at, at + len(old.encode()), new),) if old and at >= 0 else None

    return build


def named(site: Site, new: str, ctx: Context) -> Edits | None:
    """Write the replacement in the place of the site's name."""
    at = ctx.source.shown.find(site.name.encode(), site.start, site.end)
    return (TextEdit(at, at + len(site.name.encode()), new),) if at >= 0 else None


def value(site: Site, new: str, ctx: Context) -> Edits | None:
    """Write the value of ``key: value`` where the key stays what it is."""
    key, _, old = site.name.partition(": ")
    kept, _, text = new.partition(": ")
    shown = ctx.source.shown[site.start : site.end].lower()
    at = shown.rfind(old.lower().encode())
    if kept != key or at < 0:
        return None
    start, end = site.start + at, site.start + at + len(old.encode())
    if ctx.source.shown[start:end].istitle() and text in ("true", "false"):
        text = text.title()  # as Python writes it
    return (TextEdit(start, end, text),)


def delete(site: Site, ctx: Context) -> Edits | None:
    """Take the site away, as the kind of its file has it: with its command, where it does nothing else."""
    text, statement = ctx.source.shown, site.statement
    if statement is None and site.kind == "environment" and ctx.source.kind_at(site.start) in ("yaml", "conda"):
        return lines.drop_entry(text, site.start, site.end, item=True)
    if statement is None:
        drop = _DROPS.get(ctx.source.kind_at(site.start))
        return drop(text, site.start, site.end) if drop is not None else None
    if statement.kind == "List" or site.role == "load":
        return None
    option = _before(site, statement, ctx)
    alone = statement.siblings == 1 and not _belongs(option, site)
    if alone or statement.siblings == _going(statement, ctx):
        scripts = ctx.source.kind in ("shell", "docker", "make")  # elsewhere a script of no commands is a mistake
        return lines.drop_command(text, statement.start, statement.end) if scripts else None
    if _belongs(option, site):
        return lines.drop_word(text, text.rfind(option, 0, site.start), site.end)
    if site.kind == "environment" and (option or b"=" not in text[site.start : site.end]):
        return None
    return lines.drop_word(text, site.start, site.end)


def _before(site: Site, command: Statement, ctx: Context) -> bytes:
    """The option in front of the site, in its command."""
    before = ctx.source.shown[command.start : site.start].split()
    return before[-1] if before and before[-1].startswith(b"-") else b""


def _belongs(option: bytes, site: Site) -> bool:
    """Whether the site is the value of that option."""
    return option in _OPTIONS.get(site.name.partition(" ")[0] if site.kind == "requirement" else site.kind, ())


def _going(command: Statement, ctx: Context) -> int:
    """How many words of a command, but for options, the target has no use for."""
    words: set[int] = set()
    for site in ctx.sites:
        row = ctx.catalogue.find(site.kind, site.name) if site.statement == command else None
        if row is not None and ctx.answer(row).action == "delete" and not _belongs(_before(site, command, ctx), site):
            words.add(ctx.source.shown.rfind(b" ", command.start, site.start))
    return len(words)


_DROPS: dict[str, Callable[[bytes, int, int], Edits | None]] = {
    "requirements": lines.drop_line,
    "setup-cfg": lines.drop_line,
    "make": lines.drop_line,
    "yaml": lines.drop_entry,
    "conda": lines.drop_entry,
    "json": lines.drop_member,
    "toml": lines.drop_element,
    "pyproject": lines.drop_element,
}
