"""Two ways to compute one thing, between which a test of a tensor's device chooses.

``if x.is_cuda: return fused(x)``, beside what any device computes: where nothing that the first way runs says CUDA, it
may still be CUDA's alone, and the second would have served.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from porter.index.outline import Arm, dotted
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context
from porter.rules.placement.hold import Hold
from porter.rules.placement.reach import full_name

_OF_TENSOR = re.compile(r"(?!self\.device|args\.)\w[\w.\[\]]*\.device(?:\.type)?$")
_ADVICE = "it chooses between `{}` of this program and what any device computes: see which of them {} is to run"


def ways(site: Site, ctx: Context) -> Hold | None:
    """The program's own function that a test keeps for CUDA, if another way stands beside it, and neither is ported."""
    if not asks_of_tensor(site) or site.statement is None:
        return None
    for opened, instead in ctx.outline().ways(site.start):
        if not any(map(_computes, instead)) or any(map(_takes_array, _calls(instead))):
            continue  # nothing is made, or of tensors of the CPU alone
        elsewhere = {dotted(call.func) for call in _calls(instead)}
        named = (name for call in _calls(opened) if (name := dotted(call.func)) not in elsewhere and name is not None)
        own = next((name for name in named if _is_own(name, site, ctx)), None)
        if own is not None and not is_ported(opened, ctx):
            return Hold(Verdict.MANUAL, _ADVICE.format(own, ctx.target.title))
    return None


def asks_of_tensor(site: Site) -> bool:
    """Whether a test asks for the device of a tensor, rather than for that of the program."""
    return site.name.endswith(".is_cuda") or (site.use == "compare" and _OF_TENSOR.match(site.detail) is not None)


def _calls(arm: Arm) -> Iterator[ast.Call]:
    return (node for part in arm for node in ast.walk(part) if isinstance(node, ast.Call))


def _computes(part: ast.AST) -> bool:
    """Whether a part of an arm makes a value by a call."""
    made = isinstance(part, ast.expr) or any(isinstance(n, ast.Assign | ast.Return) for n in ast.walk(part))
    return made and any(isinstance(node, ast.Call) for node in ast.walk(part))


def _takes_array(call: ast.Call) -> bool:
    """``x.detach().numpy()``: NumPy takes no tensor of another device than the CPU."""
    taken = isinstance(call.func, ast.Attribute) and call.func.attr == "numpy" and not (call.args or call.keywords)
    return taken and not {"cpu", "to"} & {n.attr for n in ast.walk(call) if isinstance(n, ast.Attribute)}


def _is_own(name: str, site: Site, ctx: Context) -> bool:
    """Whether a function, a class or an operator that is called is the program's."""
    qualified = full_name(name.removesuffix(".apply"), site.scope, ctx)
    if qualified is None:
        return False
    resolved = ctx.project.resolve(qualified, ctx.module)
    module = ctx.project.owner(resolved)
    summary = ctx.project.summary(module) if module else None
    if summary is None:
        return False
    owner, _, last = resolved.rpartition(".")
    known = resolved in summary.functions or resolved in summary.classes
    return known or (owner in summary.classes and last in summary.classes[owner].methods)


def is_ported(arm: Arm, ctx: Context) -> bool:
    """Whether something of CUDA stands in an arm, which shows what the test is for."""
    spans = [ctx.outline().span(part) for part in arm]
    return any(other.kind != "own" for span in spans for other in ctx.nesting.starting(span.start, span.end))
