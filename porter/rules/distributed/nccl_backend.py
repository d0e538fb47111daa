"""The process group backend `"nccl"` speaks to NVIDIA GPUs only.

## What CUDA does

NCCL runs collectives between GPUs.

## On Neuron

The backend is `"neuron"`, in composite strings too (`"cpu:gloo,neuron:neuron"`). The process group must be created
before anything else touches a device.

## When porter rewrites

The string must reach `init_process_group` or another place that takes a backend. Comparisons of a value that does
change with it, and the choices of an option with its default. Lists and tables that tell vendors apart are left to
people.

## Example

```py
dist.init_process_group("nccl")
```

becomes

```py
dist.init_process_group("neuron")
```
"""

from __future__ import annotations

import re

import msgspec

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.index.summary import Mark
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Edits, Judgement, TextEdit, named, needing, rule
from porter.rules.distributed.backends import goes_with_device, is_options, knows_others, not_gloo
from porter.rules.placement.behind import together
from porter.rules.placement.devices import argument_around, torch_name
from porter.rules.table import action_of, by_hand, judge_by_row, judgement
from porter.rules.uses import beside, function_around

_VENDORS = re.compile(rb"[\"'](?:xccl|hccl|cncl|mccl|ccl|bkcl|smddp|xla|rccl)[\"']")
_NEURON = re.compile(rb"[\"']neuron[\"']")
_OPTIONS = re.compile(rb"\bpg_options\s*=(?!\s*None\b)")
_LITERAL = re.compile(rb"\bLiteral\s*\[[^\]]*nccl")
_COMPOSED = re.compile(rb"\bis_(?:\{[^{}]*\}|%s)_available")  # getattr(dist, f"is_{name}_available")
_TALKS = re.compile(
    r"(?:print|log|debug|info|warn|warning|error|write|format|join|\w*(?:Error|Exception|Warning))\(\)`$"
)
# That of whatever device the program finds.
_DEFAULT = f"{named('torch.distributed.get_default_backend_for_device')}({named('DEVICE')})"
_NO_FUNCTION = "the file puts the name of `is_nccl_available` together: `is_backend_available` asks for any backend"
_ASKS = ("get_backend()", "get_backend(...)")


@rule("PRT501", "nccl-backend")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge a backend string by where it ends up; symbols by the catalogue."""
    if site.kind != "backend":
        return _symbol(site, row, ctx)
    if argument_around(site, ctx) is not None:
        return Dismissed(site, "part")
    result = _entry(site, row, ctx) if site.use == "entry" else _string(site, row, ctx)
    if isinstance(result, Dismissed) or not (_chosen(site) or _OPTIONS.search(_statement(site, ctx))):
        return result
    return msgspec.structs.replace(result, group=together(site))


def _string(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    message = f'process group backend `"{site.name}"`'
    found = _evidence(site, ctx)
    if site.use == "compare" and found is not None and ctx.target.keeps_cuda:
        return _anywhere(site, row, ctx, message)
    if found is None:
        if site.use in ("", "text") or _TALKS.search(site.detail):
            return Dismissed(site, "text")
        return _unseen(site, row, ctx)
    statement = _statement(site, ctx)
    if _NEURON.search(function_around(site, ctx) if site.scope else statement):
        return Dismissed(site, "handled")
    if _VENDORS.search(statement):
        advice = f'add `"{ctx.target.backend}"` beside the others, and leave this one'
        return judgement(site, row, ctx, verdict=Verdict.MANUAL, message=message, advice=advice)
    if _OPTIONS.search(statement) and not _without_options(site, ctx):
        return by_hand(site, row, ctx, "options are passed with it: change both", message=message)
    if site.use in ("field", "default") and _LITERAL.search(statement):
        return by_hand(site, row, ctx, "its annotation lists the values: change both", message=message)
    if _COMPOSED.search(ctx.source.text):
        return by_hand(site, row, ctx, _NO_FUNCTION, message=message)
    by_name = site.use == "keyword" and (site.place or "").startswith("k:")
    verdict = Verdict.AUTO if found.certain and "," not in site.name and not by_name else Verdict.REVIEW
    edits = _edits(site, ctx) if ctx.edits and site.editable else None
    return judgement(site, row, ctx, verdict=verdict, message=message, edits=edits)


def _unseen(site: Site, row: Row, ctx: Context) -> Judgement:
    """A name that no process group is seen to take: a program has copiers, caches and options by that name as well."""
    replacement, note = ctx.answer(row).replacement, "no process group that porter can see takes this value"
    advice = f"write `{replacement}` if it names the backend of a process group" if replacement else ""
    message = f'`"{site.name}"` is the name of a backend'
    return judgement(site, row, ctx, verdict=Verdict.MANUAL, message=message, advice=advice, note=note)


def _anywhere(site: Site, row: Row, ctx: Context, message: str) -> Judgement:
    """A test that is to hold for the backend of every accelerator: that it is not the CPU's."""
    asserted = site.statement is not None and site.statement.kind == "Assert"
    if asserted and not ctx.outline().denies(site.start, site.end):
        advice = "let it hold for the backends of other accelerators, too: there it fails"
        return judgement(site, row, ctx, verdict=Verdict.MANUAL, message=message, advice=advice)
    if knows_others(ctx) or not goes_with_device(site, ctx):
        advice = "true where CUDA is the device, as before"
        return judgement(site, row, ctx, verdict=Verdict.PORTABLE, message=message, advice=advice)
    advice = 'compare with `"gloo"`: another backend is that of the accelerator'
    edits = not_gloo(site, ctx) if ctx.edits and site.editable else None
    note = "true of `mpi` and `ucc` as well"
    return judgement(site, row, ctx, verdict=Verdict.REVIEW, message=message, advice=advice, note=note, edits=edits)


def _symbol(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """``Backend.NCCL`` is a string by another name; ``is_nccl_available()`` asks for one backend of several."""
    answer = ctx.answer(row)
    if site.role == "import" or not ctx.edits or not site.editable or answer.verdict is not Verdict.REVIEW:
        return judge_by_row(site, row, ctx)
    if (other := beside(site, ctx)) is not None:
        return by_hand(site, row, ctx, f"`{other.name}` stands beside it: decide the whole condition")
    if action_of(answer) == "constant" and site.call is None:
        if _COMPOSED.search(ctx.source.text):
            return by_hand(site, row, ctx, _NO_FUNCTION)
        return judgement(site, row, ctx, edits=ctx.edit(site.start, site.end, answer.replacement))
    if site.name.endswith(".is_nccl_available") and site.call is not None and not site.call.arguments:
        backend = f'"{ctx.target.backend}"' if ctx.target.backend else _DEFAULT
        argument = TextEdit(site.call.end - 1, site.call.end - 1, backend)
        rename = "torch.distributed.is_backend_available"
        return judgement(site, row, ctx, edits=(argument,), rename=rename, group=together(site))
    return judge_by_row(site, row, ctx)


def _entry(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """A value of a table, by device type for the most part."""
    if _NEURON.search(_statement(site, ctx)):
        return Dismissed(site, "handled")
    message = f'a table holds the process group backend `"{site.name}"`'
    if site.detail == '"backend"' and (found := _evidence(site, ctx)) is not None:
        edits = _edits(site, ctx) if ctx.edits and site.editable else None
        return judgement(site, row, ctx, verdict=Verdict.REVIEW, message=message, note=found.why, edits=edits)
    other = f'`"{ctx.target.device}"` with `"{ctx.target.backend}"`' if ctx.target.device else "every other device"
    advice = f"add an entry for {other}, if devices are its keys"
    return judgement(site, row, ctx, verdict=Verdict.MANUAL, message=message, advice=advice)


def _statement(site: Site, ctx: Context) -> bytes:
    return ctx.source.text[site.statement.start : site.statement.end] if site.statement is not None else b""


def _without_options(site: Site, ctx: Context) -> bool:
    """Whether the options that are passed with it, those of one backend, go."""
    options = (s for s in ctx.where("kind", "argument") if is_options(s) and together(s) == together(site))
    rows = (ctx.catalogue.find(s.kind, s.name) for s in options)
    return any(row is not None and action_of(ctx.answer(row)) == "argument" for row in rows)


def _chosen(site: Site) -> bool:
    """Whether the string changes with others of its statement: a condition that chooses it, an option's choices."""
    return site.parent == "IfExp" or site.use == "option"


def _evidence(site: Site, ctx: Context) -> Mark | None:
    if site.sink == "backend":
        return Mark(site.place or "", "backend", site.detail, certain=site.certain)
    if site.use == "compare":
        held = ctx.project.holds(site.place, "backend", ctx.module)
        known = site.detail.endswith(_ASKS) or site.detail.startswith(("dist.get_backend", "torch.distributed"))
        return held or (Mark("", "backend", site.detail) if known else None)
    return ctx.project.reaches(site.place, "backend", ctx.module)


def _edits(site: Site, ctx: Context) -> Edits | None:
    from porter.rewrite.calls import replace_in_string

    if not ctx.target.backend:
        plain = ctx.text(site.start, site.end).strip("\"'") == "nccl"
        return ctx.edit(site.start, site.end, _DEFAULT) if plain else None
    text = ctx.source.text
    found: list[Edits] = []
    for old, new in (("nccl", ctx.target.backend), ("NCCL", ctx.target.backend), ("cuda", ctx.target.device)):
        edits = replace_in_string(text, site.start, site.end, old, new)
        if edits is not None:
            found.append(edits)
    changes = sorted(edit for edits in found for edit in edits)
    if changes and torch_name(ctx) is not None:
        changes.append(TextEdit(site.end, site.end, needing(ctx.target.backend_module)))
    return tuple(changes) or None
