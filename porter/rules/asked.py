"""What a program only reads or asks where a test for CUDA has held: a version, a variable, what a library offers.

Where that test stays, Neuron never comes there, and nothing need be done. Kernels are no such thing: they are why the
test stays.
"""

from __future__ import annotations

import ast

from porter.index.site import Site
from porter.rules.base import Context, Judgement
from porter.rules.environment.cuda_environment_variable import is_read
from porter.rules.placement.flags import flag, follows, only_denied
from porter.rules.presence import asked_before, conditions, holds
from porter.rules.uses import is_shown

ASKING = frozenset({"cuda-device-properties", "cuda-environment-variable", "cuda-only-package"})
_TYPES = frozenset({"bfloat16", "float16", "half", "bf16", "fp16"})
_ENSURED = frozenset({"cuda", "after"})  # guards behind which the test has held


def only_asked(result: Judgement, test: Site, ctx: Context) -> bool:
    """Whether a judgement of a rule in ``ASKING`` is about what is asked only where a test holds."""
    site = result.site
    match result.rule:
        case "cuda-device-properties" if site.name != "torch.version.cuda":
            if not follows(site, test, ctx) and _chooses_type(site, ctx):
                return False
        case "cuda-environment-variable" if site.parent != "Compare" and not is_read(site, ctx):
            return False
        case "cuda-only-package" if site.kind != "string" or site.parent != "Compare":
            return False
    return _ensures(test, site, ctx)


def _ensures(test: Site, site: Site, ctx: Context) -> bool:
    """Whether a site is reached only where a test holds: in its arm, behind an ``and``, by the name of its answer."""
    if follows(site, test, ctx):
        return True
    if any(g.kind in _ENSURED and g.start <= test.start and test.end <= g.end for g in site.guards):
        return True
    if (name := flag(test, ctx)) is None or not only_denied(name.decode(), test, ctx):
        return False
    return any(holds(test, condition, site, ctx) for condition in (*conditions(site, ctx), *asked_before(site, ctx)))


def _chooses_type(site: Site, ctx: Context) -> bool:
    """Whether the answer may decide, in an arm of its own, which type to compute with: that is asked of Neuron, too."""
    if is_shown(site, ctx):
        return False
    arm = next((node for node in reversed(ctx.outline().around(site.start)) if isinstance(node, ast.If)), None)
    for node in ast.walk(arm) if arm is not None else ():
        match node:
            case ast.Attribute(attr=name) | ast.Name(id=name) | ast.Constant(value=str(name)) if name in _TYPES:
                return True
    return False
