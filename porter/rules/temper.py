"""What holds for every rule: what guards, names and paths around a site make of its judgement."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

from porter.index.facts import PYTHON
from porter.index.guards import condition
from porter.index.outline import Function, dotted
from porter.index.site import Guard, Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Judgement
from porter.rules.by_name import ARM, is_rocm
from porter.rules.by_path import another, beside_others, cuda_beside
from porter.rules.environment.alternatives import kept, others, served
from porter.rules.kernels.known import KERNELS, STAYS, stands_alone
from porter.rules.placement.abroad import computes_with
from porter.rules.policy import by_hand, leave
from porter.rules.sisters import OTHERS, SERVERS, Family, family, sister, twin
from porter.rules.uses import stand_in

_EDITED = (Verdict.AUTO, Verdict.REVIEW)
_LEFT = {
    "handled": "a branch beside it is for Neuron already",
    "types": "type checkers only",
    "old": "runs only with a PyTorch that is older than Neuron's",
    "elsewhere": "runs on another vendor's GPUs only",
}
_PACKAGE_RULES = frozenset(
    {"cuda-only-package", "triton-kernel", "attention-implementation", "fused-optimizer", "cuda-extension"}
)
_BUILDS = frozenset({"cuda-extension", "cuda-build"})
_NEEDED = KERNELS | {"framework-argument"}  # told as it is where Neuron comes to it
_CODE = PYTHON | {"native"}
_ASKED = re.compile(r"_*is_cuda")
_PRIVATE = re.compile(r"_+(?:is|has)_cuda(?:_available)?|_+cuda_(?:is_)?available")
_OPTS_OUT = re.compile(rb"(?<!is )\bnot (?!torch)|SKIP|DISABLE|NO_")

# Choices of float16: in tests they are part of what is asserted, or of what must fail.
_FLOAT16 = re.compile(r"float16|\.half\b|\(fp16\)|\(mixed_precision\)|\(precision\)")


def temper(result: Judgement | Dismissed, rule: str, ctx: Context) -> Judgement | Dismissed:
    """The judgement in its surroundings: code that is ready for another device stays as it is."""
    if isinstance(result, Dismissed):
        return result
    steps = (*_ANY, *_CHANGES) if result.verdict in _EDITED else _ANY
    return next((told for step in steps if (told := step(result, rule, ctx)) is not None), result)


# -- whatever the verdict -----------------------------------------------------------------------------


def _asserted(result: Judgement, rule: str, ctx: Context) -> Judgement | None:
    if result.verdict is Verdict.REVIEW and _FLOAT16.search(result.site.name) and ctx.in_test():
        return by_hand(result, "a test: what it asserts may depend on float16")
    return None


def _for_others(result: Judgement, rule: str, ctx: Context) -> Judgement | None:
    """A build or a file, no code, that is another device's by its path."""
    if rule == "cuda-build" and (vendor := another(ctx) or beside_others(ctx)) is not None:
        return leave(result, f"by its path this builds for other devices (`{vendor}`)")
    if ctx.source.kind not in _CODE and (device := others(ctx)) is not None:
        return leave(result, f"by its name (`{device}`) it is for another device")
    return None


def _guarded(result: Judgement, rule: str, ctx: Context) -> Judgement | None:
    """What the first guard that matters makes of it."""
    told = (_under(guard, result, rule, ctx) for guard in result.site.guards)
    return next((judgement for judgement in told if judgement is not None), None)


def _under(guard: Guard, result: Judgement, rule: str, ctx: Context) -> Judgement | None:
    """What one guard makes of it; None where that leaves it as it is."""
    match guard.kind:
        case kind if kind in _LEFT:
            return leave(result, _LEFT[kind])
        case "import" if rule in _PACKAGE_RULES:
            return _tried(result, guard, ctx)
        case "cuda" | "mention" if rule in _BUILDS and not _opts_out(guard, ctx):
            done = "built" if rule == "cuda-extension" else "used"
            return leave(result, f"{done} only where CUDA is found, or asked for")
        case "fallback" if result.site.name.startswith("torch."):
            return leave(result, "runs only where the import before it fails")
        case "entry" if result.verdict in _EDITED:
            return by_hand(
                result, f'the table has an entry for `"cuda"`: add one for {ctx.target.title}, and leave this one'
            )
        case "vendors" if result.verdict is not Verdict.PORTABLE:
            needed = rule in _NEEDED and result.verdict in STAYS and not _by_device(result.site, guard, ctx)
            return _vendors(result, guard, ctx) if not needed else None
    return None


def _stood_in(result: Judgement, rule: str, ctx: Context) -> Judgement | None:
    """What is used of a package by a name that has another meaning where its import fails."""
    line = stand_in(result.site, ctx) if rule in _PACKAGE_RULES else None
    return leave(result, f"its import may fail: line {line} has another in its place") if line is not None else None


def _tried(result: Judgement, guard: Guard, ctx: Context) -> Judgement | None:
    """A package whose import may fail, and what is called of it in the same ``try``."""
    if result.site.role == "import":
        missed = _is_missed(result, ctx)
        return leave(result, "the import may fail: the program goes on without it") if not missed else None
    line = _imported_under(result, guard, ctx)
    return (
        leave(result, f"the import in line {line} may fail: the program goes on without it and this") if line else None
    )


def _is_missed(result: Judgement, ctx: Context) -> bool:
    """Whether the file uses a package as if it were there, and only passes over that its import fails.

    Uses that are told for themselves say enough.
    """
    tried = ctx.outline().parent(result.site.start)
    if not isinstance(tried, ast.Try) or tried.orelse:
        return False
    passed = [node for handler in tried.handlers for node in handler.body]
    imports = all(isinstance(node, ast.Import | ast.ImportFrom) for node in tried.body)
    if not imports or not all(isinstance(node, ast.Pass | ast.Expr) for node in passed):
        return False
    root = result.site.name.partition(".")[0]
    known = [s for s in ctx.sites if s.name.partition(".")[0] == root and s.start != result.site.start]
    uses = [s for s in known if s.role == "call" and not any(guard.kind == "import" for guard in s.guards)]
    brought = any(s.role == "import" for s in known)
    return bool(uses) and not brought and all(ctx.catalogue.find(s.kind, s.name) is result.row for s in uses)


def _imported_under(result: Judgement, guard: Guard, ctx: Context) -> int | None:
    """The line of the import of what is called, if it is in the same ``try`` and function, and fails without CUDA."""
    site = result.site
    is_tried = site.role == "call" and site.alias is not None and guard.start == guard.end
    if not is_tried or result.row is None or result.row.on_cpu:
        return None
    brought = (s for s in ctx.where("start", site.alias) if s.role == "import" and s.scope == site.scope)
    return next((s.line for s in brought if guard in s.guards), None)


def _opts_out(guard: Guard, ctx: Context) -> bool:
    """``if not SKIP_CUDA_BUILD``: what is built unless somebody says otherwise."""
    return _OPTS_OUT.search(ctx.source.text, guard.start, guard.end) is not None


def _vendors(result: Judgement, guard: Guard, ctx: Context) -> Judgement:
    """An arm of a chain that tells vendors apart: never edited, the chain wants an arm of its own for Neuron."""
    others = ", ".join(f"`{vendor}`" for vendor in guard.vendors)
    if guard.has_else and (result.site.kind != "device" or _has_else(result.site, ctx)):
        return leave(result, f"one arm of a chain over {others}, which ends in an `else` for {ctx.target.title}")
    if guard.has_else:
        advice = f"see what {ctx.target.title} gets in the `else` of this chain over {others}, and leave the CUDA arm"
        return by_hand(result, advice)
    advice = f"add an arm for {ctx.target.title} to this chain over {others}, and leave the CUDA arm as it is"
    return by_hand(result, advice)


def _has_else(site: Site, ctx: Context) -> bool:
    """Whether a device is compared by an ``if`` of a chain that goes on behind it."""
    around = ctx.outline().around(site.start)[-1:] if site.use == "compare" else []
    return any(isinstance(node, ast.If) and node.orelse for node in around)


def _by_device(site: Site, guard: Guard, ctx: Context) -> bool:
    """Whether a chain over vendors leads to a site by its device: not where a test names none, nor in the ``else``."""
    outline = ctx.outline()
    for node in outline.around(site.start):
        if isinstance(node, ast.If) and outline.span(node.test).start == guard.start:
            told = condition(node.test, dotted)
            in_arm = any(outline.span(statement).holds(site.start) for statement in node.body)
            return in_arm and (told.mentions or bool(told.vendors or told.cuda))
    return True


# -- what porter would change -------------------------------------------------------------------------


def _accompanied(result: Judgement, rule: str, ctx: Context) -> Judgement | None:
    """One of several statements that do the same, each for its device."""
    if ctx.target.keeps_cuda and (other := sister(result.site, ctx)) is not None:
        return leave(result, f"beside it stands `{other}`")
    other = twin(result.site, ctx)
    return _add(result, other, ctx) if other is not None else None


def _in_other_framework(result: Judgement, rule: str, ctx: Context) -> Judgement | None:
    """What another framework has by PyTorch's words, in a file that computes with that: ``x.cuda()``, ``"cuda:0"``."""
    framework = computes_with(ctx) if result.site.kind in ("method", "device") else None
    if framework is None:
        return None
    why = f"the file computes with `{framework}`, which knows no {ctx.target.title}"
    return by_hand(result, f"{why}: compute with PyTorch first, or leave it")


def _by_path(result: Judgement, rule: str, ctx: Context) -> Judgement | None:
    """A file that is for one kind of device."""
    vendor = another(ctx)
    if ctx.target.keeps_cuda and (vendor := vendor or (cuda_beside(("cpu", *OTHERS), ctx) and "cuda")):
        return leave(result, f"by its path this is code for one kind of device (`{vendor}`)")
    if vendor is not None:
        return by_hand(result, f"by its path this is code for other devices (`{vendor}`)")
    if (other := cuda_beside(SERVERS, ctx)) is not None:
        return _member(result, Family(other, cuda_beside((ctx.target.device,), ctx)), ctx)
    return None


def _kept(result: Judgement, rule: str, ctx: Context) -> Judgement | None:
    """What is no Python: one of several files for different devices stays as it is."""
    if ctx.source.kind in PYTHON:
        return None
    if (why := served(ctx)) is not None:
        return leave(result, why)
    why = kept(result.site, ctx)
    return by_hand(result, why) if why is not None else None


def _in_family(result: Judgement, rule: str, ctx: Context) -> Judgement | None:
    """One of several functions that do the same, each for its device."""
    members = family(result.site, ctx) if ctx.source.kind in PYTHON else None
    return _member(result, members, ctx) if members is not None else None


def _by_name(result: Judgement, rule: str, ctx: Context) -> Judgement | None:
    """Code that is CUDA's, or AMD's, by the name of the function or class."""
    if ctx.source.kind not in PYTHON:
        return None
    scope = _owner(result.site, ctx)
    if (rocm := next(filter(is_rocm, scope.split(".")), None)) is not None:
        return leave(result, f"by its name `{rocm}` is for AMD's GPUs")
    named = ARM.search(scope)
    if named is None or stands_alone(f"{ctx.module}.{scope[: named.end()].rstrip('.')}", ctx):
        return None
    name = named.group().strip(".")
    if _is_private(name, scope[: named.start()], result.site, ctx):
        return None
    if name == "cuda" and rule == "cuda-method" and _moves_a_part(result.site):
        return None
    if ctx.target.keeps_cuda:
        return leave(result, f"`{name}` is CUDA's by its name, and stays beside what other devices have")
    return by_hand(result, f"`{name}` is CUDA's by its name: write one for Neuron beside it, and leave this one")


def _is_private(name: str, scope: str, site: Site, ctx: Context) -> bool:
    """Whether what is named is ported with what uses it: by a function of its own, its file alone, or its class.

    They ask ``_is_cuda(x)``, or ``self.is_cuda()``.
    """
    if not scope:
        alone = sister(site, ctx) is None and not ctx.project.borrowed(f"{ctx.module}.{name}")
        return alone and _PRIVATE.fullmatch(name) is not None
    owners = [node for node in ctx.outline().around(site.start) if isinstance(node, Function | ast.ClassDef)]
    owner = next(iter(owners[scope.count(".") :]), None)
    if isinstance(owner, ast.ClassDef) and _ASKED.fullmatch(name) is not None and sister(site, ctx) is None:
        calls = (node for node in ctx.outline().all_of(owner, ast.Call) if not node.args)
        return any(dotted(node.func) == f"self.{name}" for node in calls)
    return isinstance(owner, Function)


def _owner(site: Site, ctx: Context) -> str:
    """The scope that a site belongs to: a default is its function's."""
    if site.use == "default" and site.place is not None and site.place.startswith(f"p:{ctx.module}."):
        return site.place[len(f"p:{ctx.module}.") :].rpartition(".")[0]
    return site.scope


def _member(result: Judgement, members: Family, ctx: Context) -> Judgement:
    """CUDA's member of a family of functions or files: Neuron's stands beside it, or is to."""
    if members.own is not None:
        return leave(result, f"{ctx.target.title} has one of its own beside it: `{members.own}`")
    return _add(result, members.other, ctx)


def _add(result: Judgement, other: str, ctx: Context) -> Judgement:
    """CUDA's of several that do the same, each for its device: it stays, and the target's comes beside it."""
    if ctx.target.keeps_cuda:
        return leave(result, f"beside it stands `{other}`")
    return by_hand(result, f"beside it stands `{other}`: write one for {ctx.target.title} as well, and leave this one")


def _moves_a_part(site: Site) -> bool:
    """``self.model.cuda()`` in a method ``cuda``: the name is the program's, the call is PyTorch's."""
    return site.receiver is not None and "super()" not in site.receiver.why


_Step = Callable[[Judgement, str, Context], Judgement | None]
_ANY: tuple[_Step, ...] = (_asserted, _for_others, _guarded, _stood_in)
_CHANGES: tuple[_Step, ...] = (_accompanied, _in_other_framework, _by_path, _kept, _in_family, _by_name)
