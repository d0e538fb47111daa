"""CUDA reached by other ways than its name: `getattr`, `torch.cuda` as an object, private bindings.

## What CUDA does

Programs look up `torch.cuda` at run time to stay generic, patch its functions in tests, or reach below the public
interface.

## On Neuron

`torch.get_device_module()` and `torch.accelerator` give the module of the device that is there. Private bindings have
no equivalent. `hasattr(torch, "cuda")` is true in every build of PyTorch and says nothing about the device.

## When porter rewrites

An alias (`cuda = torch.cuda`) moves if everything that is asked of it exists on `torch.neuron`. `hasattr` and
`getattr` on `torch.cuda` with a literal name move with what they ask for. Importing `torch.cuda` is harmless and no
finding.

## Example

```py
module = getattr(torch, "cuda")
```

is reported: `torch.get_device_module(device)` is the generic form.
"""

from __future__ import annotations

import re

import msgspec

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.model import Effort, Verdict
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.placement.behind import together
from porter.rules.presence import spelled
from porter.rules.table import action_of, by_hand, judge_by_row, judgement, sentence
from porter.rules.uses import before

_ARGUMENT = rb"(?:[^()]|\((?:[^()]|\([^()]*\))*\))*"
_LOOKUP = re.compile(rb"\b(?:get|has)attr\(\s*\Z")
_PATCH = re.compile(rb"(?:\b(?:set|del)attr|\.(?:setattr|delattr|object))\(\s*\Z")
_DEFAULT = re.compile(rb"(?:\bgetattr|\.get)\(" + _ARGUMENT + rb",\s*\Z")
_ENTRY = re.compile(rb"[\"']cuda[\"']\s*:\s*\Z")
_NAMED = re.compile(rb"\s*,\s*[rRuU]?([\"'])(\w+)\1")
_HAS = re.compile(rb"hasattr\(\s*torch\s*,\s*([\"'])(cuda)\1")
_KEYED = frozenset({"Compare", "Subscript", "Target"})  # a key of the program's own: `states["torch.cuda"]`
_MODULE = "torch.get_device_module()"
_DOTTED = re.compile(r"\w+(?:\.\w+)+")


@rule("PRT208", "dynamic-cuda-access")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge what is done with the module: imported, passed on, asked for a name."""
    if site.kind == "string":
        return _text(site, row, ctx)
    if site.role in ("import", "annotation"):
        return Dismissed(site, "part")
    if site.role == "dynamic":
        return _looked_up(site, row, ctx)
    if site.name != "torch.cuda":
        return judge_by_row(site, row, ctx)
    text = before(site, ctx)
    named = _NAMED.match(ctx.source.text, site.end)
    if named and _LOOKUP.search(text):
        return _asked(site, ctx, named[2].decode())
    if named and _PATCH.search(text):
        return _patched(site, row, ctx, f"torch.cuda.{named[2].decode()}")
    if _DEFAULT.search(text):
        return Dismissed(site, "default-object")
    if _ENTRY.search(text) or any(s.role != "import" for s in ctx.where("start", site.alias)):
        return Dismissed(site, "part")
    return judge_by_row(site, row, ctx)


def _moves(name: str, ctx: Context) -> str | None:
    """The module that ``torch.cuda.x`` is ``x`` of as well: the target's, or that of whatever device there is."""
    row = ctx.catalogue.find("symbol", name)
    if row is None or action_of(ctx.answer(row)) not in ("rename", "callee"):
        return None
    module, _, last = spelled(ctx.answer(row), ctx).rpartition(".")
    return module if module in (ctx.target.runtime, _MODULE) and last == name.rpartition(".")[2] else None


def _asked(site: Site, ctx: Context, name: str) -> Judgement | Dismissed:
    """``torch.cuda`` in ``hasattr(torch.cuda, "x")``: the question moves with what it asks for."""
    asked = f"torch.cuda.{name}"
    row = ctx.catalogue.find("symbol", asked)
    module = _moves(asked, ctx)
    if row is None or module is None:
        return Dismissed(site, "part")
    message = f"`{asked}` is looked up by its name"
    advice = f"look it up in `{module}`" if module == _MODULE else ""
    return judgement(site, row, ctx, message=message, advice=advice, rename=module, group=together(site))


def _looked_up(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """The call of ``hasattr`` or ``getattr``: reported where the module in it does not move."""
    if _moves(site.name, ctx) is not None:
        return Dismissed(site, "part")
    message = f"`{site.name}` is looked up by its name"
    if site.name == "torch.cuda" and (found := _there(site, ctx)) is not None:
        package, _, name = ctx.target.runtime.partition(".")
        edits = ctx.edit(*found, name) if ctx.edits else ()
        advice = f'write `hasattr({package}, "{name}")`, as the test beside it asks `{ctx.target.runtime}`'
        group = together(site)
        return judgement(
            site, row, ctx, verdict=Verdict.AUTO, message=message, advice=advice, note="", edits=edits, group=group
        )
    if site.name == "torch.cuda" and site.detail.startswith("hasattr"):
        advice = 'ask `hasattr(torch, "neuron")`, or drop the test: this one is true in every build of torch'
        return _minutes(site, row, ctx, message, advice)
    if ctx.answer(row).verdict in (Verdict.AUTO, Verdict.REVIEW):
        return by_hand(site, row, ctx, message=message)
    return judgement(site, row, ctx, message=message)


def _there(site: Site, ctx: Context) -> tuple[int, int] | None:
    """Where ``hasattr(torch, "cuda")`` says ``cuda``, if an ``and`` asks next whether it is available."""
    asked = _HAS.match(ctx.source.text, site.start)
    if asked is None or not ctx.target.runtime.startswith("torch.") or not site.editable:
        return None
    spans = [ctx.outline().span(part) for part in ctx.outline().joined(site.start, site.end)]
    tests = (s for s in ctx.where("name", "torch.cuda.is_available") if s.role == "call" and s.start > site.start)
    return asked.span(2) if any(span.holds(test.start) for test in tests for span in spans) else None


def _text(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    if not site.name.startswith("torch."):
        return judge_by_row(site, row, ctx)
    statement = site.statement
    imported = statement is not None and b"sys.modules" in ctx.source.text[statement.start : statement.end]
    if (site.parent in _KEYED or site.use == "key") and not imported:
        return Dismissed(site, "user-name")
    return _patched(site, row, ctx, site.name) if _DOTTED.fullmatch(site.name) else Dismissed(site, "text")


def _patched(site: Site, row: Row, ctx: Context, name: str) -> Judgement:
    """A function of ``torch.cuda`` that is replaced, or named, by text: the port of the code it serves decides."""
    named = ctx.catalogue.find("symbol", name)
    replacement = ctx.answer(named).replacement if named is not None else ""
    replacement = ctx.target.runtime if name == "torch.cuda" else replacement
    advice = f"name `{replacement}` once the code that calls it is ported" if replacement else ""
    message = f"`{name}` is named by a string"
    return _minutes(site, row, ctx, message, advice)


def _minutes(site: Site, row: Row, ctx: Context, message: str, advice: str) -> Judgement:
    """What takes a person minutes. The row's note is about the module as an object, and is left out."""
    found = judgement(site, row, ctx, verdict=Verdict.MANUAL, message=message)
    return msgspec.structs.replace(found, effort=Effort.MINUTES, advice=sentence(advice))
