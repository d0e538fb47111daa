"""Calls of other packages as calls of what takes their place: what becomes of each argument.

The row of a callable has its `Signature`. Here it is held against one call: arguments are renamed, named, dropped where
nothing is lost by it, and stated where they were left out and the defaults differ. A call that means more than its
counterpart can say stays.
"""

from __future__ import annotations

import ast
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import msgspec

from porter.catalog.schema import Row, Signature
from porter.index.site import Argument, Call, Site
from porter.rules.base import Context, Dismissed, Judgement
from porter.rules.table import action_of, by_hand, judge_by_row, judgement
from porter.rules.uses import asks_class, may_be_missing

if TYPE_CHECKING:
    from porter.rewrite.calls import CallEditor


class Lost(Exception):
    """An argument has no counterpart; the message, for the reader, says which."""


def judge_counterpart(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the row; what has a counterpart is called by the row's signature, or else named."""
    answer, signature = ctx.answer(row), row.signature
    if signature is None or action_of(answer) != "call" or site.role == "import":
        return judge_by_row(site, row, ctx)
    name = answer.replacement
    if may_be_missing(site, ctx):
        return by_hand(site, row, ctx, "its import may fail: porter does not see whether this still runs then")
    if site.call is None:
        same = not (signature.stated or signature.renamed or signature.otherwise)
        if same or asks_class(site, ctx) or site.role == "annotation":
            return judgement(site, row, ctx, rename=name)
        return by_hand(site, row, ctx, "not called here: porter does not see its arguments")
    if not ctx.edits:
        return judgement(site, row, ctx)
    try:
        name, editor = translate(site.call, name, signature, ctx)
    except Lost as reason:
        stayed = by_hand(site, row, ctx, str(reason))
        name = _called(site.call, signature, ctx) or name
        return msgspec.structs.replace(stayed, advice=stayed.advice.replace(f"`{answer.replacement}`", f"`{name}`"))
    edits = editor.edits()
    if edits is None:
        return by_hand(site, row, ctx)
    if edits and not site.certain:
        return by_hand(site, row, ctx, "it may be something else that is called here")
    return judgement(site, row, ctx, advice=f"write `{name}`", edits=edits, rename=name)


def translate(call: Call, replacement: str, signature: Signature, ctx: Context) -> tuple[str, CallEditor]:
    """What to call in place of a call, and the edits of its arguments, without the callee. Raises Lost."""
    from porter.rewrite.calls import CallEditor

    given = arguments(call, signature)
    texts = {name: ast.unparse(ast.parse(f"({ctx.text(a.start, a.end)})", mode="eval")) for name, a in given.items()}
    chosen = _matching(signature.otherwise, texts)
    instead = _matching(signature.instead, texts)
    editor = CallEditor(ctx.source.text, call)
    for position, (name, argument) in reversed(list(enumerate(given.items()))):
        if name in signature.dropped or name in instead:
            values = signature.dropped.get(name, ())
            if name not in (chosen | instead) and not any(fnmatchcase(texts[name], value) for value in values):
                raise Lost(f"`{name}={texts[name]}` has no counterpart")
            editor.remove(argument)
        elif (argument.keyword is None and position >= signature.shared) or argument.keyword in signature.renamed:
            editor.rename_keyword(argument, signature.renamed.get(name, name))
    missing = {name: value for name, value in signature.stated.items() if name not in given and not chosen}
    for text in (*instead.values(), *(f"{name}={value}" for name, value in missing.items())):
        editor.append(text)
    return next(iter(chosen.values()), replacement), editor


def _called(call: Call, signature: Signature, ctx: Context) -> str | None:
    """What a named argument of a call says to call in its place, whatever else is passed."""
    texts = {a.keyword: ctx.text(a.start, a.end) for a in call.arguments if a.keyword is not None}
    return next(iter(_matching(signature.otherwise, texts).values()), None)


def _matching(table: dict[str, str], texts: dict[str, str]) -> dict[str, str]:
    """The entries of ``argument=value`` that a call passes, by the argument."""
    entries = {tuple(key.split("=", 1)): then for key, then in table.items()}
    return {name: then for (name, value), then in entries.items() if name in texts and fnmatchcase(texts[name], value)}


def arguments(call: Call, signature: Signature) -> dict[str, Argument]:
    """The arguments of a call by the names of their parameters, in order. Raises Lost where they cannot be known."""
    if call.unpacked:
        raise Lost("its arguments are unpacked from what porter cannot see")
    positional = [a for a in call.arguments if a.keyword is None]
    if len(positional) > len(signature.parameters):
        raise Lost("it has more arguments than porter knows")
    named = {a.keyword: a for a in call.arguments if a.keyword is not None}
    return dict(zip(signature.parameters, positional, strict=False)) | named
