"""What a test of the device chooses that is no device of PyTorch's: it would be chosen on the target as well."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from porter.index.guards import condition
from porter.index.outline import dotted, in_scope
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context
from porter.rules.by_name import OWN_VALUE
from porter.rules.kernels.known import GENERATOR
from porter.rules.placement.flags import flag
from porter.rules.placement.hold import Hold
from porter.rules.placement.reach import arms
from porter.rules.sisters import alike
from porter.rules.uses import SHOWING

_MEMBER = re.compile(r"\.(?:CUDA|GPU)$")  # of an enumeration of devices
_FOR_CUDA = re.compile(rb"[\"']([a-z]+-gpu)\b")  # a distribution of another framework
_COUNT = re.compile(r"(?:n_?|num_)?gpus?")  # a key of settings
_WORD = re.compile(r"gpus?(?::\d+)?")
_SWITCH = re.compile(  # what turns a package or a kernel for CUDA on
    r"(?:^|[._])(?:trt|tensorrt|xformers|flash|apex|triton|nccl|cudnn|bnb|bitsandbytes|deepspeed|vllm|fused|[48]bit"
    r"|cuda_?graphs?|cuda_?kernels?)(?:_|$|att)"
)
_OF_GENERATOR = re.compile(r"(?:^|[._])gen(?:erator)?s?(?:\[\w+\])?[._]device(?:[._]type)?$")
_READ = re.compile(rb"[!=]=\s*[\"']gpu|[\"']gpus?[\"']\s*(?:[!=]=|:)")  # where a file says what the word means


def installs(site: Site, ctx: Context) -> Hold | None:
    """``if cuda: install("paddlepaddle-gpu")``: what another framework has for CUDA."""
    outline = ctx.outline()
    spans = (outline.span(node) for arm in arms(site, ctx) for node in arm)
    found = next((m for span in spans if (m := _FOR_CUDA.search(ctx.source.text, span.start, span.end))), None)
    if found is None:
        return None
    return Hold(Verdict.PORTABLE, f"left as it is: `{found[1].decode()}` is for CUDA")


def chosen(site: Site, ctx: Context) -> Hold | None:
    """What a program has for CUDA: ``self.cuda_config``, ``Device.CUDA``, ``DeviceGPU()``, ``"gpu"``."""
    for node in _values(site, ctx):
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str) and _WORD.fullmatch(node.value) and not _is_known(node, ctx):
                advice = f'it chooses `"{node.value}"`: say what that is to be on {ctx.target.title}'
                return Hold(Verdict.MANUAL, advice)
            continue
        name = dotted(node.func if isinstance(node, ast.Call) else node)
        if name is None or name.startswith("torch."):
            continue
        if not isinstance(node, ast.Call) and (OWN_VALUE.search(name) or _MEMBER.search(name)):
            why = "CUDA's by its name"
        elif (other := alike(name, ctx)) is not None:
            why = f"CUDA's, as `{other}` is another device's"
        else:
            continue
        if (instead := _instead(node, site, ctx)) is not None:
            return Hold(Verdict.MANUAL, f"`{name}` is {why}: {ctx.target.title} takes `{instead}` until it has another")
        return Hold(Verdict.MANUAL, f"`{name}` is {why}: see what is to take its place on {ctx.target.title}")
    return None


def _instead(chosen: ast.expr, site: Site, ctx: Context) -> str | None:
    """The name that an expression chooses where it does not choose ``chosen``: ``cuda_config if cuda else config``."""
    for node in ast.walk(ctx.outline().function(site.start) or ctx.outline().tree):
        match node:
            case ast.IfExp(body=one, orelse=other) if chosen in (one, other):
                return dotted(other if chosen is one else one)
    return None


def numbered(site: Site, ctx: Context) -> Hold | None:
    """``args.device = "0"``, or ``device = "0" if cuda else "cpu"``: a GPU by its number, to what takes it apart."""
    for node in (node for arm in arms(site, ctx) for node in arm):
        match node:
            case ast.Assign(targets=[target], value=ast.Constant(str(number))):
                name = dotted(target) or ""
            case ast.Constant(str(number)):
                name = (flag(site, ctx) or b"").decode()
            case _:
                continue
        if number.isdigit() and name.lower().endswith("device"):
            advice = f'it makes `{name}` `"{number}"`, a GPU by its number: see what takes that on {ctx.target.title}'
            return Hold(Verdict.MANUAL, advice)
    return None


def granted(site: Site, ctx: Context) -> Hold | None:
    """``{"gpus": 1 if available else 0}``: GPUs that a framework is asked for, where the file reads no such key."""
    outline = ctx.outline()
    for node in outline.expressions(site.start, site.end):
        pairs = zip(node.keys, node.values, strict=True) if isinstance(node, ast.Dict) else ()
        for key, value in pairs:
            match key, value:
                case ast.Constant(str(name)), ast.IfExp(test, ast.Constant(int()), ast.Constant(int())):
                    if not (_COUNT.fullmatch(name) and outline.span(test).holds(site.start)):
                        continue
                    if f'["{name}"]'.encode() not in ctx.source.text.replace(b"'", b'"'):
                        advice = f'it says how many there are of `"{name}"`: see what that asks for'
                        return Hold(Verdict.MANUAL, f"{advice} on {ctx.target.title}")
    return None


def generated(site: Site, ctx: Context) -> Hold | None:
    """The device of a random number generator: what it is to be, or ``generator.device.type == "cuda"``."""
    row = ctx.catalogue.find("argument", GENERATOR) if b"torch.Generator" in ctx.source.text else None
    if row is None or ctx.answer(row).verdict is Verdict.PORTABLE:
        return None
    if site.use == "compare" and _OF_GENERATOR.search(site.detail):
        advice = f"left as it is: it asks for a random number generator's device, and {ctx.target.title} makes none"
        return Hold(Verdict.PORTABLE, advice)
    name, made = (flag(site, ctx) or b"").decode(), [s for s in ctx.once(_generators) if s.scope == site.scope]
    nodes = (n for n in in_scope(ctx.outline().home(name, site.start), name) if made and isinstance(n, ast.expr))
    loads = (n for n in nodes if dotted(n) == name and isinstance(getattr(n, "ctx", None), ast.Load))
    read = [ctx.outline().span(n).start for n in loads]
    if not read or any(all(s.start != place for s in made) for place in read):
        return None
    advice = f"it chooses where line {made[0].line} makes a random number generator, which {ctx.target.title} does not"
    return Hold(Verdict.MANUAL, f"{advice}: make it on the CPU, draw there, and move the tensors")


def _generators(ctx: Context) -> list[Site]:
    """The devices that generators are given."""
    return [site for site in ctx.sites if site.name == GENERATOR]


def given_up(site: Site, ctx: Context) -> Hold | None:
    """``if not available: cfg.MODEL.DEVICE = "cpu"``: a package reads it, and has a default of its own elsewhere."""
    match ctx.outline().around(site.start)[-1:]:
        case [ast.If(test, [ast.Assign([ast.Attribute(attr=name) as target], ast.Constant("cpu"))], [])]:
            shown = dotted(target) or ""
            own = shown.startswith(("self.", "cls.")) and shown.count(".") == 1
            if own or not ctx.outline().span(test).holds(site.start) or not shown:
                return None
            if ctx.outline().denies(site.start, site.end) and not ctx.project.reaches(
                f"k:{name}", "device", ctx.module
            ):
                advice = f"it gives `{shown}` the CPU, and elsewhere the default of whatever reads it: say what that is"
                return Hold(Verdict.MANUAL, f"{advice} on {ctx.target.title}")
    return None


def switched_off(site: Site, ctx: Context) -> Hold | None:
    """``if not available: use_flash_attn = False``: what is CUDA's by its name would stay on."""
    for node in _without(site, ctx):
        match node:
            case ast.Assign([ast.Tuple(targets)], ast.Tuple(values)):
                pairs = list(zip(targets, values, strict=False))
            case ast.Assign([target], value):
                pairs = [(target, value)]
            case _:
                continue
        off = (dotted(name) or "" for name, given in pairs if isinstance(given, ast.Constant) and given.value is False)
        if (name := next(filter(_SWITCH.search, off), None)) is not None:
            advice = (
                f"it switches `{name}` off where there is no CUDA: see whether that is to run on {ctx.target.title}"
            )
            return Hold(Verdict.MANUAL, advice)
    return None


def _without(site: Site, ctx: Context) -> list[ast.stmt]:
    """What runs only where the test at a site fails."""
    for node in ctx.outline().around(site.start)[-1:]:
        if isinstance(node, ast.If) and ctx.outline().span(node.test).holds(site.start):
            told = condition(node.test, dotted)
            return node.body if told.cuda < 0 else node.orelse if told.otherwise < 0 else []
    return []


def _values(site: Site, ctx: Context) -> Iterator[ast.expr]:
    """The expressions that are chosen where the test holds, and attributes that are assigned or returned there."""
    for arm in arms(site, ctx):
        for node in arm:
            match node:
                case ast.expr():
                    yield node
                case ast.Assign(value=ast.Attribute() as value) | ast.Return(value=ast.Attribute() as value):
                    yield value


def _is_known(word: ast.expr, ctx: Context) -> bool:
    """Whether a word for CUDA is text for people, or one that the file itself says the meaning of."""
    span = ctx.outline().span(word)
    return any(map(_shows, ctx.outline().expressions(span.start, span.end))) or ctx.says(_READ)


def _shows(node: ast.expr) -> bool:
    """Whether an expression puts a text together, or shows what it is given."""
    match node:
        case ast.JoinedStr() | ast.BinOp(left=ast.Constant(str()), op=ast.Mod() | ast.Add()):
            return True
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name in SHOWING
    return False
