"""Functions of one file that differ in the device that they are for: `require_gpu`, `require_xpu`.

Such a family wants another member, and not another name for one that it has.
"""

from __future__ import annotations

import ast
import re

import msgspec

from porter.index.outline import Function
from porter.index.site import Site
from porter.rules.base import Context

OTHERS = ("mps", "xla", "xpu", "npu", "hpu", "tpu", "rocm", "musa", "mlu")  # devices, as programs name them
_CLIENTS = frozenset({"mps"})  # beside it alone, CUDA's code is ported like any other
_FOR_GPU = re.compile(r"(?<![a-z])(?:gpu|cuda)(?![a-z])")
_DEVICE = re.compile(rf"(?<![a-z])(?:gpu|cuda|neuron|{'|'.join(OTHERS)})(?![a-z])", re.IGNORECASE)
_TEXT = re.compile(r"value='(?:[^'\\]|\\.)*'|value=\"(?:[^\"\\]|\\.)*\"")


class Family(msgspec.Struct, frozen=True):
    """Who stands beside CUDA's function: one for another device, and the target's if it has one."""

    other: str
    own: str | None


def sister(site: Site, ctx: Context) -> str | None:
    """The function for another device beside the site's own, by its name: `require_xpu` beside `require_gpu`."""
    return next(iter(_named(site, OTHERS, ctx).values()), None)


def family(site: Site, ctx: Context) -> Family | None:
    """The sisters of the function around a site, if one of them does the same for another device."""
    sisters = _named(site, (ctx.target.device, *(other for other in OTHERS if other not in _CLIENTS)), ctx)
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
    named = _FOR_GPU.search(here)
    if summary is None or named is None:
        return {}
    others = {device: f"{here[: named.start()]}{device}{here[named.end() :]}" for device in devices if device}
    return {device: other for device, other in others.items() if other in summary.names}


def _shape(function: Function) -> str:
    """What a function does, whatever device it names and whatever it says to people."""
    documented = ast.get_docstring(function) is not None
    parts = (function.args, *function.decorator_list, *function.body[documented:])
    return _DEVICE.sub("*", _TEXT.sub("", " ".join(map(ast.dump, parts))))
