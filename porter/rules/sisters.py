"""Functions of one file, or calls of one function, that differ in the device that they are for.

`require_gpu` beside `require_xpu`, `torch.cuda.empty_cache()` beside `torch.xpu.empty_cache()`: such a family wants
another member, and not another name for one that it has.
"""

from __future__ import annotations

import ast
import re

import msgspec

from porter.index.outline import Function, dotted
from porter.index.site import Site
from porter.rules.base import Context

OTHERS = ("mps", "xla", "xpu", "npu", "hpu", "tpu", "rocm", "musa", "mlu")  # devices, as programs name them
SERVERS = tuple(device for device in OTHERS if device != "mps")  # beside a Mac's alone, CUDA's is ported like any other
_ASKED = frozenset({"test", "BoolOp", "Compare", "UnaryOp"})
FOR_GPU = re.compile(r"(?<![a-z])(?:gpu|cuda)(?![a-z])")
_CUDA_PART = re.compile(r"CUDA|Cuda|GPU|Gpu|(?<![a-z])(?:gpu|cuda)(?![a-z])")
_DEVICE = re.compile(rf"(?<![a-z])(?:gpu|cuda|neuron|{'|'.join(OTHERS)})(?![a-z])", re.IGNORECASE)
_TEXT = re.compile(r"value='(?:[^'\\]|\\.)*'|value=\"(?:[^\"\\]|\\.)*\"")


class Family(msgspec.Struct, frozen=True):
    """Who stands beside CUDA's function: one for another device, and the target's if it has one."""

    other: str
    own: str | None


def sister(site: Site, ctx: Context) -> str | None:
    """The function for another device beside the site's own, by its name: `require_xpu` beside `require_gpu`."""
    return next(iter(_named(site, OTHERS, ctx).values()), None)


def twin(site: Site, ctx: Context) -> str | None:
    """What does the same for another device in the site's own function, or in the one that takes its place.

    ``torch.cuda.empty_cache()``, then ``if device.type == "xpu": torch.xpu.empty_cache()``. Where a test for CUDA
    stands around it, both are ported in place; whether a package is there is no such test.
    """
    module, _, name = site.name.removeprefix("torch.").partition(".")
    if module != "cuda" or site.parent in _ASKED or any(guard.kind != "import" for guard in site.guards):
        return None
    others = {f"torch.{other}.{name}" for other in ctx.once(_served)}
    if not any(other.encode() in ctx.source.text for other in others):
        return None
    outline = ctx.outline()
    here = [outline.innermost(site.start)]
    match outline.around(site.start)[-1:]:  # torch.cuda.synchronize = synchronize_xpu
        case [ast.Assign(targets=[ast.Attribute()], value=ast.Name(id=own))] if site.role == "store":
            here += (node for node in outline.tree.body if isinstance(node, Function) and node.name == own)
    nodes = (node for function in here if function is not None for node in ast.walk(function))
    names = (dotted(node) for node in nodes if isinstance(node, ast.Attribute))
    return next((found for found in names if found in others), None)


def _served(ctx: Context) -> list[str]:
    """The other servers whose part of torch the file names."""
    return [other for other in SERVERS if f"torch.{other}.".encode() in ctx.source.text]


def alike(name: str, ctx: Context) -> str | None:
    """What the file names like ``name``, but for another server's device: `DeviceTPU` beside `DeviceGPU`."""
    own = _CUDA_PART.search(name)
    if own is None:
        return None
    before, behind = re.escape(name[: own.start()]), re.escape(name[own.end() :])
    others = re.compile(rf"\b{before}(?i:{'|'.join(SERVERS)}){behind}\b".encode())
    found = others.search(ctx.source.text)
    return found.group().decode() if found is not None else None


def family(site: Site, ctx: Context) -> Family | None:
    """The sisters of the function around a site, if one of them does the same for another device."""
    sisters = _named(site, (ctx.target.device, *SERVERS), ctx)
    if not sisters:
        return None
    functions = {node.name: node for node in ctx.outline().tree.body if isinstance(node, Function)}
    here = functions.get(site.scope.partition(".")[0])
    same = (n for n in sisters.values() if here and n in functions and _shape(functions[n]) == _shape(here))
    other = next(same, None)
    return Family(other, sisters.get(ctx.target.device)) if other is not None else None


def _named(site: Site, devices: tuple[str, ...], ctx: Context) -> dict[str, str]:
    """The names of the file that say another device where the name of the function around the site says CUDA."""
    here = site.scope.partition(".")[0]
    summary = ctx.project.summary(ctx.module)
    named = FOR_GPU.search(here)
    if summary is None or named is None:
        return {}
    others = {device: f"{here[: named.start()]}{device}{here[named.end() :]}" for device in devices if device}
    return {device: other for device, other in others.items() if other in summary.names}


def _shape(function: Function) -> str:
    """What a function does, whatever device it names and whatever it says to people."""
    documented = ast.get_docstring(function) is not None
    parts = (function.args, *function.decorator_list, *function.body[documented:])
    return _DEVICE.sub("*", _TEXT.sub("", " ".join(map(ast.dump, parts))))
