"""What a string that reads `cuda` is: a device, something that may be one, or text."""

from __future__ import annotations

import ast
import re

from porter.index.site import Site
from porter.index.summary import Mark
from porter.rules.base import Context
from porter.rules.placement.shown import instead_of_cpu, only_shown

COMPLETED = "cuda{}"  # `f"cuda{suffix}"`: a device where one takes it, else as good as any text
# Names of variables, parameters, keys and functions that choose where or with what a program runs.
_CHOOSES = re.compile(
    r"dev(?!el|ice_?id_to)|gpu|cuda|map_location|accelerator|backend|platform|provider|hardware|placement|impl(?!icit|y)"
    r"|runtime|target|engine",
    re.I,
)
_ASSIGNED = re.compile(r"([\w.]+)\s*(?::[^=\n]*)?\+?=(?!=)")
_ACCELERATOR = re.compile(r"accelerator(?!_?type)(?!\.)")
# Functions and methods that take text for people, or take text apart.
_TALKS = re.compile(
    r"(?:^|\.)(?:print|pprint|echo|log|debug|info|warn|warning|warn_once|error|critical|exception|write|format|join|replace"
    r"|strip|[lr]strip|r?split|r?partition|remove(?:pre|suf)fix|count|r?find|r?index|encode|len|repr|hash|match|search|sub"
    r"|fullmatch|findall|compile|title|set_title|set_description|add_(?:row|column|parser|argument_group)|\w*(?:Error|Exception|Warning|Exit))$"
)
_OF_DEVICE = re.compile(r"dev(?:ice)?s?(?![a-z])|accelerator|gpu|platform|hardware", re.I)
# What is no word of the program's own: devices, frameworks for them, and words that choose among either.
_NAMED = re.compile(
    r"(?:cpu|gpu|mps|mtia|xpu|hpu|npu|xla|tpu|ipu|mlu|musa|meta|hip|rocm|neuron|metal|vulkan|opencl|opengl|dml|directml"
    r"|openvino|coreml|tensorrt|trt|onnx\w*|auto|default|none|all|any|single|multi|ddp|dp|nccl|gloo|mpi|fake|disk)?(?::.*)?"
    r"|.*(?:cuda|gpu|cpu).*",
    re.I,
)


def evidence(site: Site, ctx: Context) -> Mark | None:
    """Where the string ends up as a device; None if nothing shows that it does.

    An accelerator is chosen among more words than devices have (`gpu`, `auto`): under that name a string is none.
    """
    if (site.sink == "device" and site.certain) or (site.use == "argument" and site.detail.startswith("`torch.cuda.")):
        return Mark(site.place or "", "device", site.detail)
    if _ACCELERATOR.search(_name(site)):
        return None
    found = ctx.project.reaches(site.place, "device", ctx.module)
    if found is None and site.sink == "device":
        detail = site.detail if site.detail.startswith("`") else f"`{site.detail}`"
        found = Mark(site.place or "", "device", detail, certain=False)
    if found is None and only_shown(site, ctx):
        return Mark(site.place or "", "device", "")
    return found


def own_word(site: Site, ctx: Context) -> str | None:
    """Another word for what a string is compared with or given to, if no device has it: ``impl in ("cuda", "keops")``.

    A file that tells them apart names its own kernels by them. What is called a device is one, whatever it may be.
    """
    name = _name(site).rpartition(".")[2]
    words = ctx.once(_compared).get(name, ()) if name and _OF_DEVICE.search(name) is None else ()
    return next((word for word in words if _NAMED.fullmatch(word) is None), None)


def _compared(ctx: Context) -> dict[str, list[str]]:
    """The words that a file compares with variables and attributes, by the names of these."""
    found: dict[str, list[str]] = {}
    for node in ctx.outline().nodes:
        match node:
            case ast.Compare(
                ast.Name(name) | ast.Attribute(attr=name), [ast.Eq() | ast.NotEq() | ast.In() | ast.NotIn()], [other]
            ):
                words = (word.value for word in getattr(other, "elts", [other]) if isinstance(word, ast.Constant))
                found.setdefault(name, []).extend(word for word in words if isinstance(word, str))
    return found


def is_text(site: Site, ctx: Context) -> bool:
    """Whether a string that no device takes only says ``cuda``, to people or to the program itself.

    Where it is passed, stored or returned under a name that speaks of devices, a person should look at it.
    """
    if site.name == COMPLETED:
        return True
    if site.use == "return":
        return site.scope.endswith(("__str__", "__repr__"))
    if site.use in ("", "text", "dynamic"):
        return site.parent not in ("List", "comprehension") or not _CHOOSES.search(_target(site, ctx))
    if site.detail.startswith("`"):
        return _TALKS.search(site.detail.strip("`()")) is not None
    name = _name(site)
    told = site.use == "assign" and ":" in site.name  # a number makes it a device, whatever it is called
    return bool(name) and not told and _CHOOSES.search(name) is None and not instead_of_cpu(site, ctx)


def _name(site: Site) -> str:
    """The variable, parameter, key or function that takes the string first."""
    if site.use == "return":
        return site.scope.rpartition(".")[2]
    return site.detail or (site.place or "").rpartition(".")[2]


def _target(site: Site, ctx: Context) -> str:
    """What the site's statement assigns to."""
    statement = site.statement
    found = _ASSIGNED.match(ctx.text(statement.start, statement.end)) if statement is not None else None
    return found[1] if found is not None else ""
