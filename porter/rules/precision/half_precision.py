"""float16 chosen as the working precision: bfloat16 is the one that Neuron hardware is made for.

## What CUDA does

`.half()` and `dtype=torch.float16` halve memory and use the tensor cores; small gradients need scaling.

## On Neuron

float16 works. bfloat16 is as fast, has the range of float32, and needs no scaler: it is what the vendor recommends.

## When porter rewrites

`.half()` on a module or tensor and keywords such as `dtype=torch.float16` choose a precision: they become bfloat16,
all those of a file together, with verdict `review`, for results differ in their last digits.

The rest of the program must agree. Where the file compares with float16, looks it up in a table, has an option for
it, offers bfloat16 itself, defines kernels, converts to float16 in other ways or by `.half()` on something that
porter does not know, all of them stay: float16 works. So do those that a comment explains, and those of a file whose
only device is the CPU, or that saves models and runs none: it converts what others read. In tests float16 is part of
what they assert. Tensors follow the model: where a file makes none in float16, they become bfloat16 only with what
files that it imports, or that import it, choose, and stay where one of those keeps float16. A model stays where the
file of its class or of a base does, or what that imports. So does what ends in NumPy, which has no bfloat16.

## Example

```py
model = model.half()
```

becomes

```py
model = model.bfloat16()
```
"""

from __future__ import annotations

import re

from porter.catalog.schema import Row
from porter.index.site import Call, Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.kernels.known import kernel_of
from porter.rules.placement.flags import flag
from porter.rules.table import judgement
from porter.rules.uses import before, function_around

_CHOICE = re.compile(rb"[(,]\s*(dtype|torch_dtype|param_dtype|reduce_dtype|buffer_dtype)\s*=\s*\Z")
_OPTION = re.compile(rb"\bif\b[^\n#]*(?:half|fp16|float16|==\s*16\b)", re.I)
_SAID = re.compile(rb"[^\n#]*#[^\n]*\b(?:fp16|float16|half)\b", re.I)
_ON_CPU = re.compile(rb"\b(?:\w*device|device_map|map_location)\s*=\s*(?:torch\.device\(|\{\W*)?[\"']cpu[\"']")
_OF_THAT = re.compile(rb"\b(?:to\(|map_location\s*=\s*|device\s*=\s*)device\b(?!\s*[.(])")  # where the device goes
_DEVICE = re.compile(rb"cuda|device|\.to\(|accelerat|autocast", re.I)
_SAVES = re.compile(rb"\.(?:save_pretrained|push_to_hub|save_model)\(|\b(?:torch|model)\.save\(|\bsave_file\(")
_QUANTISED = re.compile(rb"\btorch\.int8\b|\bq_?(?:weight|zeros)\b|\b\w*weight_scales?\b")
_RUNS = re.compile(
    rb"\.(?:generate|backward|step|eval|train|forward|fit|test|predict|encode)\(|Trainer\(|pipeline\(|\bmodel\(", re.I
)
_MODEL = re.compile(rb"\b(?:torch_dtype|param_dtype)\s*=|\bfrom_(?:pretrained|config)\(|\bpipeline\(")
_TO_NUMPY = re.compile(rb"[^\n]*\.numpy\(")
# What NumPy gets then is no float16, and no bfloat16 either.
_CONVERTED = re.compile(
    rb"\.(?:float|double|long|int|bool|byte|argmax|tolist)\(|\bto\((?:dtype=)?torch\.(?!float16|half)|arg(?:max|sort)"
)
_PROCESSOR = rb"(?:processor|feature_extractor)\(\s*(?:\w+\s*=\s*)?"  # of images or sounds, as transformers has them
_TEXT = re.compile(rb"(\"{3}|'{3}).*?\1", re.DOTALL)  # what a function is said to do
_HALF = ("torch.float16", "torch.half", ".HalfTensor")
_MODEL_HALF = "torch.nn.Module.half"


@rule("PRT305", "half-precision")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge a choice of float16; other mentions work as they are."""
    if site.kind == "method":
        return Dismissed(site, "agnostic")
    if _within(site, ctx.once(_autocasts)):
        return Dismissed(site, "part")
    choice = _choice(site, ctx)
    if choice is None or site.role == "import":
        return Dismissed(site, "agnostic")
    if why := _settled(site, ctx):
        return judgement(site, row, ctx, verdict=Verdict.PORTABLE, message=choice, note=f"float16 works, and {why}")
    if site.receiver is not None:
        edits = ctx.edit(site.end - len("half"), site.end, "bfloat16")
    else:
        edits = ctx.edit(site.start, site.end, f"{ctx.text(site.start, site.end).rpartition('.')[0]}.bfloat16")
    return judgement(site, row, ctx, message=choice, edits=edits, group="half-precision")


def _choice(site: Site, ctx: Context) -> str | None:
    """How the site chooses float16, as a message; None where it does not, or not in a way that porter can edit."""
    if not site.editable or site.alias is not None:
        return None
    if site.receiver is not None:
        plain = site.kind == "symbol" and site.call is not None and not site.call.arguments
        return "`.half()` chooses float16" if plain else None
    text = before(site, ctx)
    if site.role == "load" and (match := _CHOICE.search(text)):
        return f"`{match[1].decode()}` chooses float16"
    return None


def _is_option(site: Site, ctx: Context) -> bool:
    """Whether the statement, or an ``if`` in front of it, asks for an option of the program that says float16."""
    statement = site.statement
    if statement is None:
        return False
    line = ctx.source.text.rfind(b"\n", 0, statement.start)
    above = ctx.source.text.rfind(b"\n", 0, max(0, line)) + 1
    return _OPTION.search(ctx.source.text, above, statement.end) is not None


def _settled(site: Site, ctx: Context) -> str:
    """Why the file's choices of float16 stay as they are; empty where they need not."""
    if b"bfloat16" in ctx.source.text:
        return "the program offers bfloat16 itself"
    if ctx.says(_ON_CPU) and not _DEVICE.search(_OF_THAT.sub(b"", _ON_CPU.sub(b"", ctx.source.text))):
        return "the file's only device is the CPU"
    if ctx.says(_SAVES) and not ctx.says(_DEVICE) and not ctx.says(_RUNS):
        return "the file saves models, and runs none: it is the format of what others read"
    function = _TEXT.sub(b"", function_around(site, ctx)) if site.scope else b""
    if (name := flag(site, ctx)) is not None and re.search(_PROCESSOR + re.escape(name) + rb"\b", function):
        return f"`{name.decode()}` goes to a processor, which hands it to NumPy: that has no bfloat16"
    if _SAVES.search(function) and not _RUNS.search(function):
        return "what is made here is saved, and does not run: it is the format of what others read"
    if _QUANTISED.search(function):
        return "quantised weights are made beside it: it is part of their format"
    if kernel := ctx.once(kernel_of):
        return f"`{kernel.name}` of line {kernel.line} may rely on it"
    line = ctx.once(_relied_on)
    if line is None:
        return ctx.once(_ends_in_numpy) or ctx.once(_kept_elsewhere)
    return f"line {line} relies on it" if line != site.line else "an option or a comment of the program asks for it"


def _ends_in_numpy(ctx: Context) -> str:
    """Where the file hands a tensor to NumPy as it is; empty where it does not."""
    found = _TO_NUMPY.finditer(ctx.source.text)
    shown = next((match for match in found if not _CONVERTED.search(match.group())), None)
    return f"line {ctx.source.line(shown.end())} hands a tensor to NumPy, which has no bfloat16" if shown else ""


def _kept_elsewhere(ctx: Context) -> str:
    """Why the float16 of a file stays; empty where a model of the program becomes bfloat16, and all that the program
    chooses with it.

    A file that makes such a model asks only the files of its class, and what they import.
    """
    makes = any(_makes_model(site, ctx) for site in ctx.sites)
    around = _imported if makes else _beside
    known, program = {"", ctx.module}, [ctx.module]
    for module in program:  # which grows: files that choose float16, and import each other
        of_models = makes and module == ctx.module
        for other in sorted((_of_models if of_models else around)(module, ctx) - known):
            known.add(other)
            sites = _at_work(other, ctx)
            of_kernels = bool(sites) and kernel_of(ctx, ctx.project.sites(other)) is not None
            if (kept := next((s for s in sites if of_kernels or _is_kept(s)), None)) is not None:
                return f"line {kept.line} of `{other}`, which belongs to the same program, keeps it"
            if sites or of_models:
                program.append(other)
    alone = not makes and len(program) == 1
    return "tensors follow their model, which porter does not see made in float16" if alone else ""


def _at_work(module: str, ctx: Context) -> list[Site]:
    """The places of another module that choose float16, each by what it is called on."""
    named = (s for s in ctx.project.sites(module) if s.name.endswith((".half", *_HALF)))
    return [ctx.project.settle(s, module) for s in named if s.role not in ("import", "annotation")]


def _of_models(module: str, ctx: Context) -> set[str]:
    """The modules of the classes whose instances a module makes float16 of, and of what these derive from."""
    project, found = ctx.project, set()
    types = (s.receiver.type for s in project.sites(module) if s.name.endswith(".half") and s.receiver is not None)
    classes = [project.resolve(known.removeprefix("result:"), module) for known in types if known is not None]
    for name in classes:  # which grows by bases
        owner = project.owner(name)
        summary = project.summary(owner)
        info = summary.classes.get(name) if summary is not None else None
        bases = [project.resolve(base, owner) for base in info.bases] if info is not None else []
        classes += [base for base in bases if base not in classes]
        found.add(owner)
    return found


def _imported(module: str, ctx: Context) -> set[str]:
    """The modules that a module imports."""
    summary, project = ctx.project.summary(module), ctx.project
    exports = summary.exports.values() if summary is not None else ()
    return {project.owner(project.resolve(name, module)) for name in exports}


def _beside(module: str, ctx: Context) -> set[str]:
    """The modules that a module imports, and those that import it."""
    return _imported(module, ctx) | ctx.project.importers.get(module, set())


def _makes_model(site: Site, ctx: Context) -> bool:
    """Whether the site chooses float16 for a model."""
    if _choice(site, ctx) is None or site.statement is None:
        return False
    in_statement = _MODEL.search(ctx.source.text, site.statement.start, site.statement.end)
    return site.name == _MODEL_HALF or in_statement is not None


def _is_kept(site: Site) -> bool:
    """Whether a site of another file is a float16 that stays there: no argument of a call, and nothing compared."""
    if site.kind == "method":
        return site.name == ".half"
    return _is_named(site) and site.parent not in ("keyword", "Compare")


def _is_named(site: Site) -> bool:
    """Whether a site is float16 itself, at work."""
    return site.name.endswith(_HALF) and site.role not in ("import", "annotation")


def _relies(site: Site, ctx: Context) -> bool:
    """Whether the site needs float16, or may: it compares, looks up, is an option, or does what porter cannot edit."""
    called = site.name.endswith(".half") and site.receiver is not None and site.kind != "own"
    asked = _is_option(site, ctx) or _SAID.match(ctx.source.text, site.start) is not None
    return (called or _is_named(site)) and (asked or _choice(site, ctx) is None)


def _relied_on(ctx: Context) -> int | None:
    """The first line that relies on float16."""
    autocasts = ctx.once(_autocasts)
    return next((s.line for s in ctx.sites if _relies(s, ctx) and not _within(s, autocasts)), None)


def _autocasts(ctx: Context) -> list[Call]:
    """The calls of autocast and its kin, which are reported as a whole."""
    return [s.call for s in ctx.sites if s.call is not None and s.name.endswith((".autocast", ".custom_fwd"))]


def _within(site: Site, calls: list[Call]) -> bool:
    return any(call.start <= site.start and site.end <= call.end for call in calls)
