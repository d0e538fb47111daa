"""What the rules for device strings share: evidence that a string is a device, and the edit."""

from __future__ import annotations

import ast
import re
from functools import lru_cache

import msgspec

from porter.catalog.schema import Row
from porter.index.outline import dotted, in_scope
from porter.index.sinks import FOREIGN
from porter.index.site import Site
from porter.model import Effort, Verdict
from porter.rules.base import Context, Dismissed, Edits, Judgement, named
from porter.rules.placement.behind import together
from porter.rules.placement.beside import knows_neuron, vendors
from porter.rules.placement.evidence import evidence, is_text, own_word
from porter.rules.presence import is_present
from porter.rules.spelling import device_literal, in_place_of
from porter.rules.table import judgement
from porter.rules.uses import function_around

_IN_TEXT = re.compile(rb"[\"'][^\"'\n]*[\w-][=, ]cuda\b[^\"'\n]*[\"']")  # an option on a command line, a setting

_ALL_NAMES = re.compile(rb"\b(?:locals|globals|vars|exec|eval)\(")  # what reads variables without naming them

# Arguments that are reported as a whole, with whatever device stands inside them.
_WHOLE = (
    "(map_location)",
    "(pin_memory_device)",
    "(device_types)",
    "torch.Generator(device)",
    "torch.set_default_device(device)",
    "init_process_group(device_id)",
    "barrier(device_ids)",
    "(ddp_backend)",
)
_LOADS = re.compile(rb"\b(?:load|set)\w*_state_dict\b|\bload_weights\b")  # copies what was read to where a module is
_SPLIT = "run one process per core (torchrun) and split the model with DTensor, FSDP2 or pipeline stages"
_EDITED, _LEFT = (Verdict.AUTO, Verdict.REVIEW), (Verdict.MANUAL, Verdict.BLOCKED)
ON_ACCELERATOR, ON_CUDA = '!= "cpu"', '== "cuda"'  # of the device that the program finds


def torch_name(ctx: Context) -> str | None:
    """What the file calls torch; None where it does not import it."""
    summary = ctx.project.summary(ctx.module)
    exports = summary.exports if summary is not None else {}
    return next((name for name, qualified in exports.items() if qualified == "torch"), None)


def argument_around(site: Site, ctx: Context) -> Site | None:
    """The argument that is reported in place of the site, which is a part of it."""
    arguments = (other for other in ctx.nesting.around(site) if other.kind == "argument")
    return next((a for a in arguments if (a.name.endswith(_WHOLE) and not keeps_place(a, ctx)) or _stays(a, ctx)), None)


def keeps_place(argument: Site, ctx: Context) -> bool:
    """Whether what is read stays on the device that ``map_location`` names, and the target can load to one."""
    return ctx.target.loads and not ctx.target.keeps_cuda and is_place(argument, ctx)


def is_place(argument: Site, ctx: Context) -> bool:
    """Whether ``map_location`` says where tensors are used: the function copies what is read into no module."""
    if not argument.name.endswith("(map_location)") or "state_dict" in argument.name:
        return False
    value = ast.parse(f"({ctx.text(argument.start, argument.end)})", mode="eval")
    moves = any(isinstance(node, ast.Lambda | ast.Dict) for node in ast.walk(value))
    return not moves and not _loads(function_around(argument, ctx))


@lru_cache(maxsize=4)
def _loads(function: bytes) -> bool:
    return _LOADS.search(function) is not None


def _stays(argument: Site, ctx: Context) -> bool:
    """Whether the target has no mesh, shard or wrapper to place: what it is placed on goes or stays with it."""
    row = ctx.catalogue.find(argument.kind, argument.name)
    if row is None or row.rule not in ("fsdp-device", "ddp-device-ids"):
        return False
    if row.rule == "ddp-device-ids":
        row = ctx.catalogue.find("symbol", argument.name.partition("(")[0])
        return row is not None and ctx.answer(row).verdict is not Verdict.PORTABLE
    return ctx.answer(row).verdict in (Verdict.MANUAL, Verdict.BLOCKED)


def devices_inside(argument: Site, ctx: Context) -> list[Site]:
    """The sites that an argument is made of."""
    return [site for site in ctx.nesting.within(argument.start, argument.end) if site is not argument]


def word_edit(site: Site, ctx: Context) -> Edits | None:
    """The literal with ``cuda`` replaced by the target's device type."""
    if not site.editable:
        return None
    if not ctx.target.numbered and site.use != "compare":
        return _only_a_number(site, ctx) or in_place_of(site, ctx)
    return device_literal(site, ctx)


def _only_a_number(site: Site, ctx: Context) -> Edits | None:
    """Nothing for ``if device == "cuda": device = f"cuda:{rank}"``, which adds the number that no device has."""
    outline = ctx.outline()
    match outline.around(site.start)[-2:]:
        case [
            ast.If(test=ast.Compare(left, [ast.Eq()], [ast.Constant("cuda")]), body=[_], orelse=[]),
            ast.Assign(targets=[target], value=value) as statement,
        ] if dotted(left) is not None and dotted(left) == dotted(target):
            made, span = in_place_of(site, ctx) or (), outline.span(value)
            is_text = any(edit.text[1:].startswith(ctx.target.device) for edit in made if edit.text[:1] in "\"'")
            if is_text and (made[0].start, made[0].end) == (span.start, span.end):
                whole = outline.span(statement)
                return ctx.edit(whole.start, whole.end, "pass")
    return None


def judge_device(site: Site, row: Row, ctx: Context, what: str, numbered: bool | None = None) -> Judgement | Dismissed:
    """Rewrite a device string that provably is one; say what is missing otherwise.

    ``what`` names the construct. ``numbered``: whether an index comes with it, by default told by the string.
    """
    if argument_around(site, ctx) is not None:
        return Dismissed(site, "part")
    found = evidence(site, ctx)
    group = together(site) if _linked(site) else None
    if found is None:
        reason = "text" if is_text(site, ctx) else "handled" if knows_neuron(site, ctx) else None
        return Dismissed(site, reason) if reason is not None else _unseen(site, row, ctx, what, group)
    if ctx.answer(row).verdict not in _EDITED:
        return judgement(site, row, ctx, message=what, group=group)
    if (line := _expected_of(site, ctx)) is not None:
        why = f"line {line} has it in a text: change both together"
        return judgement(site, row, ctx, verdict=Verdict.MANUAL, message=what, advice=_write(site, ctx), note=why)
    if (site.use in ("option", "element") or site.parent == "IfExp") and (
        answer := _among_others(site, row, ctx, what, group)
    ):
        return answer
    numbered = ":" in site.name if numbered is None else numbered
    note = ""
    if not found.certain:
        note = f"passed as {found.why}, to code that porter cannot see"
        if found.why.endswith("()`"):
            note = f"taken by {found.why}, which is one of what may be called here"
        elif found.why.startswith("compared "):
            note = f"a device: it is {found.why}"
    elif numbered:
        note = "one process drives one core: the index must be the local rank, or 0 outside distributed runs"
        if ctx.target.keeps_cuda:
            note = "on Neuron the index must be the local rank, or 0 outside distributed runs"
    lacking = _lacking(site, ctx)
    return judgement(
        site,
        row,
        ctx,
        verdict=Verdict.AUTO if found.certain and not numbered and not lacking else Verdict.REVIEW,
        message=f"{what}, taken by {found.why}" if found.certain and found.why else what,
        advice=_write(site, ctx),
        note=note or lacking,
        edits=word_edit(site, ctx) if ctx.edits else (),
        group=group,
    )


def _lacking(site: Site, ctx: Context) -> str:
    """What to do about a dtype that the device has not, and that a call asks for together with the device."""
    torch, statement = torch_name(ctx), site.statement
    if torch is None or statement is None:
        return ""
    for word in set(re.findall(rf"\b{torch}\.(\w+)", ctx.text(statement.start, statement.end))):
        row = ctx.catalogue.find("symbol", f"torch.{word}")
        if row is None or row.rule != "device-dtype" or ctx.answer(row).verdict not in _LEFT:
            continue
        for call in ctx.outline().expressions(site.start, site.end):
            given = [*call.args, *(k.value for k in call.keywords)] if isinstance(call, ast.Call) else []
            if any(dotted(value) == f"{torch}.{word}" for value in given):
                return ctx.answer(row).advice
    return ""


def judge_none_elsewhere(site: Site, row: Row, ctx: Context, holds: str) -> Judgement:
    """An argument that only some devices take: it becomes None where ``holds`` is not true of the device found."""
    value = ast.parse(f"({ctx.text(site.start, site.end)})", mode="eval").body
    if isinstance(value, ast.IfExp):
        return judgement(site, row, ctx, verdict=Verdict.PORTABLE, advice="chosen by a condition of its own")
    if holds == ON_ACCELERATOR and is_present(site, ctx):
        return judgement(site, row, ctx, verdict=Verdict.PORTABLE, advice="passed only where a device is")
    edits = ctx.edit(site.end, site.end, f" if {named('DEVICE')} {holds} else None") if ctx.edits else ()
    bare = site.editable and not isinstance(value, ast.Lambda | ast.NamedExpr)
    return judgement(site, row, ctx, edits=edits if bare else None)


def is_chosen(name: str, site: Site, ctx: Context) -> bool:
    """Whether a list of devices is a variable that may be None already, for all that the function shows of it."""
    if not name.isidentifier():
        return False
    home = ctx.outline().innermost(site.start) or ctx.outline().tree
    assigned = (n for n in ast.walk(home) if isinstance(n, ast.Assign) and name in map(dotted, n.targets))
    return not any(isinstance(n.value, ast.List | ast.Tuple) for n in assigned)


def one_of_several(site: Site, row: Row, ctx: Context, what: str) -> Judgement:
    """A device that a program chooses among several of one process: work for days."""
    message = f"one process drives several devices: {what}"
    found = judgement(site, row, ctx, verdict=Verdict.MANUAL, message=message, advice=_SPLIT)
    return msgspec.structs.replace(found, effort=Effort.DAYS)


def one_of_a_list(site: Site, row: Row, ctx: Context, index: str, devices: str) -> Judgement:
    """The one device that a program takes of a list: which one that may be is for a person to say."""
    why = f"the index must be the local rank, or 0 outside distributed runs: see what is in `{devices}`"
    advice = (
        f"{_write(site, ctx)} where the process drives this device alone; where it drives others of the list, {_SPLIT}"
    )
    return judgement(
        site, row, ctx, verdict=Verdict.MANUAL, message=f"a device numbered by `{index}`", advice=advice, note=why
    )


def _expected_of(site: Site, ctx: Context) -> int | None:
    """The line of a text in a test that what the site asserts is read from: ``parse("device=cuda")``."""
    if not ctx.in_test() or site.statement is None or site.statement.kind != "Assert":
        return None
    text = function_around(site, ctx)
    found = _IN_TEXT.search(text)
    return ctx.source.line(ctx.source.text.find(text) + found.start()) if found is not None else None


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
    package = site.detail.strip("`").partition(".")[0]
    if package in FOREIGN and site.detail.startswith("`"):
        advice, why = f"pass a device that `{package}` has", "it does not compute with PyTorch: it does not know Neuron"
        message = f"{what}, taken by {site.detail}"
        return judgement(site, row, ctx, verdict=Verdict.MANUAL, message=message, advice=advice, note=why, group=group)
    if site.use == "argument" and (found := ctx.project.reaches(site.place, "attribute", ctx.module)) is not None:
        message, advice = f'the name of a method, `"{site.name}"`', "port the method where it is defined"
        why = f"looked up by {found.why}: that of a tensor or a module becomes `.to()` with the device"
        return judgement(site, row, ctx, verdict=Verdict.MANUAL, message=message, advice=advice, note=why, group=group)
    if (name := _unread(site, ctx)) is not None:
        advice = f"left as it is: nothing reads `{name}`"
        return judgement(site, row, ctx, verdict=Verdict.PORTABLE, message=what, advice=advice, note=None, group=group)
    if (word := own_word(site, ctx)) is not None:
        advice = f"choose one that runs on {ctx.target.title}"
        why = f"beside `{word}` it is a word of the program's own, and no device"
        return judgement(site, row, ctx, verdict=Verdict.MANUAL, message=what, advice=advice, note=why, group=group)
    advice = f"{_write(site, ctx)} if it names the device to run on" if ctx.target.device else ""
    why = "no device that porter can see takes this value, so porter does not touch it"
    return judgement(site, row, ctx, verdict=Verdict.MANUAL, message=what, advice=advice, note=why, group=group)


def _unread(site: Site, ctx: Context) -> str | None:
    """The variable that is given a device, if nothing reads it: one of a function, or of a script's last block."""
    outline = ctx.outline()
    match outline.around(site.start):
        case [*above, ast.Assign(targets=[ast.Name(id=name)])] if site.use == "assign":
            function = outline.innermost(site.start)
        case _:
            return None
    home = function or (outline.tree if any(map(_is_main, above)) else None)
    if home is None or ctx.says(_ALL_NAMES):
        return None
    shared = {other for node in outline.all_of(home, ast.Global) for other in node.names}
    shared.update(other for node in outline.all_of(home, ast.Nonlocal) for other in node.names)
    named = (node for node in in_scope(home, name) if isinstance(node, ast.Name) and node.id == name)
    return None if name in shared or any(isinstance(node.ctx, ast.Load) for node in named) else name


def _is_main(node: ast.AST) -> bool:
    """``if __name__ == "__main__":``."""
    return isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)


def _write(site: Site, ctx: Context) -> str:
    if not ctx.target.device:
        return "let the program find the device"
    if not ctx.target.numbered:
        return f'write `"{ctx.target.device}"`'
    written = ctx.text(site.start, site.end)
    if "{}" not in site.name or not written.isprintable() or not written.endswith(('"', "'")):
        written = f'"{site.name}"'
    return f"write `{written.replace('cuda', ctx.target.device, 1)}`"
