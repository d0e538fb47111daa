"""What the rules for device strings share: evidence that a string is a device, and the edit."""

from __future__ import annotations

import re

import msgspec

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.index.summary import Mark
from porter.model import Effort, Verdict
from porter.rules.base import Context, Dismissed, Edits, Judgement
from porter.rules.placement.branches import knows_neuron, together, vendors
from porter.rules.table import judgement

# Names of variables, parameters, keys and functions that choose where or with what a program runs.
_CHOOSES = re.compile(
    r"dev(?!el|ice_?id_to)|gpu|cuda|map_location|accelerator|backend|platform|provider|hardware|placement|impl(?!icit|y)"
    r"|runtime|target|engine",
    re.I,
)
# Functions and methods that take text for people, or take text apart.
_TALKS = re.compile(
    r"(?:^|\.)(?:print|pprint|echo|log|debug|info|warn|warning|warn_once|error|critical|exception|write|format|join|replace"
    r"|strip|[lr]strip|r?split|r?partition|remove(?:pre|suf)fix|count|r?find|r?index|encode|len|repr|hash|match|search|sub"
    r"|fullmatch|findall|compile|title|set_title|set_description|add_(?:row|column|parser|argument_group)|\w*(?:Error|Exception|Warning|Exit))$"
)
# Arguments that are reported as a whole, with whatever device stands inside them.
_WHOLE = (
    "(map_location)",
    "(pin_memory_device)",
    "(device_types)",
    "torch.Generator(device)",
    "torch.set_default_device(device)",
    "init_process_group(device_id)",
)
_SPLIT = "run one process per core (torchrun) and split the model with DTensor, FSDP2 or pipeline stages"
_EDITED = (Verdict.AUTO, Verdict.REVIEW)


def torch_name(ctx: Context) -> str | None:
    """What the file calls torch; None where it does not import it."""
    summary = ctx.project.summary(ctx.module)
    exports = summary.exports if summary is not None else {}
    return next((name for name, qualified in exports.items() if qualified == "torch"), None)


def evidence(site: Site, ctx: Context) -> Mark | None:
    """Where the string ends up as a device; None if nothing shows that it does."""
    if (site.sink == "device" and site.certain) or (site.use == "argument" and site.detail.startswith("`torch.cuda.")):
        return Mark(site.place or "", "device", site.detail)
    found = ctx.project.reaches(site.place, "device", ctx.module)
    if found is None and site.sink == "device":
        found = Mark(site.place or "", "device", f"`{site.detail}`", certain=False)
    return found


def argument_around(site: Site, ctx: Context) -> Site | None:
    """The argument that is reported in place of the site, which is a part of it."""
    for other in ctx.sites:
        around = other.start <= site.start and site.end <= other.end and other is not site
        if around and other.kind == "argument" and other.name.endswith(_WHOLE):
            return other
    return None


def devices_inside(argument: Site, ctx: Context) -> list[Site]:
    """The sites that an argument is made of."""
    return [s for s in ctx.sites if s is not argument and argument.start <= s.start and s.end <= argument.end]


def word_edit(site: Site, ctx: Context) -> Edits | None:
    """The literal with ``cuda`` replaced by the target's device type."""
    from porter.rewrite.calls import replace_in_string

    if not site.editable:
        return None
    return replace_in_string(ctx.source.text, site.start, site.end, "cuda", ctx.target.device)


def is_text(site: Site) -> bool:
    """Whether a string that no device takes only says ``cuda``, to people or to the program itself.

    Where it is passed, stored or returned under a name that speaks of devices, a person should look at it.
    """
    if site.use == "return":
        return site.scope.endswith(("__str__", "__repr__"))
    if site.use in ("", "text", "dynamic"):
        return True
    if site.detail.startswith("`"):
        return _TALKS.search(site.detail.strip("`()")) is not None
    name = site.detail or (site.place or "").rpartition(".")[2]
    return bool(name) and _CHOOSES.search(name) is None


def judge_device(site: Site, row: Row, ctx: Context, what: str, numbered: bool | None = None) -> Judgement | Dismissed:
    """Rewrite a device string that provably is one; say what is missing otherwise.

    ``what`` names the construct. ``numbered``: whether an index comes with it, by default told by the string.
    """
    if argument_around(site, ctx) is not None:
        return Dismissed(site, "part")
    found = evidence(site, ctx)
    group = together(site) if _linked(site) else None
    if found is None:
        return Dismissed(site, "text") if is_text(site) else _unseen(site, row, ctx, what, group)
    if ctx.answer(row).verdict not in _EDITED:
        return judgement(site, row, ctx, message=what, group=group)
    if site.use in ("option", "element") and (answer := _among_others(site, row, ctx, what, group)):
        return answer
    numbered = ":" in site.name if numbered is None else numbered
    note = ""
    if not found.certain:
        note = f"passed as {found.why}, to code that porter cannot see"
    elif numbered:
        note = "one process drives one core: the index must be the local rank, or 0 outside distributed runs"
    return judgement(
        site,
        row,
        ctx,
        verdict=Verdict.AUTO if found.certain and not numbered else Verdict.REVIEW,
        message=f"{what}, taken by {found.why}" if found.certain and found.why else what,
        advice=_write(site, ctx),
        note=note,
        edits=word_edit(site, ctx) if ctx.edits else (),
        group=group,
    )


def one_of_several(site: Site, row: Row, ctx: Context, what: str) -> Judgement:
    """A device that a program chooses among several of one process: work for days."""
    message = f"one process drives several devices: {what}"
    found = judgement(site, row, ctx, verdict=Verdict.MANUAL, message=message, advice=_SPLIT)
    return msgspec.structs.replace(found, effort=Effort.DAYS)


def _linked(site: Site) -> bool:
    """Whether the string changes together with others of its statement: an option's choices, a test that chooses."""
    statement = site.statement
    chosen = statement is not None and any(g.start > statement.start and g.end <= statement.end for g in site.guards)
    return chosen or site.use == "option"


def _among_others(site: Site, row: Row, ctx: Context, what: str, group: str | None) -> Judgement | Dismissed | None:
    """One of several devices in a list: it stays where the list tells vendors apart."""
    if knows_neuron(site, ctx):
        return Dismissed(site, "handled")
    others = vendors(site, ctx)
    if not others:
        return None
    advice = f'add `"{ctx.target.device or "the device"}"` beside {others}, and leave CUDA there'
    return judgement(site, row, ctx, verdict=Verdict.MANUAL, message=what, advice=advice, group=group)


def _unseen(site: Site, row: Row, ctx: Context, what: str, group: str | None) -> Judgement:
    """A string that may be a device, but no device that porter can see takes it."""
    advice = f"{_write(site, ctx)} if it names the device to run on" if ctx.target.device else ""
    why = "no device that porter can see takes this value, so porter does not touch it"
    return judgement(site, row, ctx, verdict=Verdict.MANUAL, message=what, advice=advice, note=why, group=group)


def _write(site: Site, ctx: Context) -> str:
    return f'write `"{site.name.replace("cuda", ctx.target.device)}"`' if ctx.target.device else ""
