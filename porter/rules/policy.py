"""What holds for every rule: which rule a site goes to, and what guards make of its judgement."""

from __future__ import annotations

import ast
import re

import msgspec

from porter.catalog.schema import Row
from porter.index.facts import PYTHON
from porter.index.guards import condition
from porter.index.outline import dotted
from porter.index.site import Guard, Site
from porter.model import Effort, Verdict
from porter.rules.base import Context, Dismissed, Judgement
from porter.rules.by_name import ARM, is_rocm
from porter.rules.data.cuda_map_location import locations
from porter.rules.distributed.order import comes_first
from porter.rules.environment.alternatives import kept, others, served
from porter.rules.kernels.known import KERNELS, STAYS, stands_alone
from porter.rules.placement.anywhere import is_compared
from porter.rules.sisters import FOR_GPU, OTHERS, SERVERS, Family, family, sister, twin
from porter.rules.table import sentence

_GUARDED = frozenset({"cuda", "else", "mention", "handled", "vendors", "import", "fallback", "old", "test"})
_LEFT = {
    "handled": "a branch beside it is for Neuron already",
    "types": "type checkers only",
    "old": "runs only with a PyTorch that is older than Neuron's",
    "elsewhere": "runs on another vendor's GPUs only",
}
_PACKAGE_RULES = frozenset(
    {"cuda-only-package", "triton-kernel", "attention-implementation", "fused-optimizer", "cuda-extension"}
)
_NEEDED = KERNELS | {"framework-argument"}  # told as it is where Neuron comes to it

# Device strings are many things: the use decides which rule looks at one.
_BY_USE = {
    "compare": "cuda-device-comparison",
    "default": "cuda-option-default",
    "field": "cuda-option-default",
    "option": "cuda-option-default",
    "map_location": "cuda-map-location",
}


def rule_name(site: Site, row: Row, ctx: Context) -> str:
    """The rule that judges a site."""
    if site.kind == "device":
        if ctx.target.keeps_cuda and is_compared(site, ctx):
            return "cuda-device-comparison"
        if locations(site, ctx) is not None:
            return "cuda-map-location"
        return _BY_USE.get(site.use, "numbered-cuda-device" if ":" in site.name else row.rule)
    if site.role == "dynamic" and site.name.startswith("torch.cuda"):
        return "dynamic-cuda-access"
    if site.name == "torch.cuda.set_device" and site.role == "call" and comes_first(site, ctx):
        return "device-before-process-group"
    if site.kind == "symbol" and ctx.source.kind not in PYTHON and row.rule != "framework-argument":
        return "cuda-only-package" if row.rule in KERNELS else "cuda-config-value"
    return "cuda-config-value" if site.kind == "config" else row.rule  # the other rules read Python


def guarded(site: Site) -> bool:
    """Whether the site runs only under a condition that knows of CUDA or of its absence.

    What a ``try`` that catches anything holds, but for an import that may fail, runs under none.
    """
    return any(g.kind in _GUARDED and (g.kind != "import" or site.role == "import") for g in site.guards)


_OTHER_DEVICE = re.compile(r"(cpu|mps|xla|sdaa|mthreads|supa)_(\w+)$", re.I)
_FOR_CUDA = re.compile(r"cuda|gpu|nvidia", re.I)
_OPTS_OUT = re.compile(rb"(?<!is )\bnot (?!torch)|SKIP|DISABLE|NO_")

# Folders and files of other vendors' code: ROCm's calls its devices `cuda`.
_OTHER_VENDOR = re.compile(r"(?:^|[/_.-])(amd|rocm|hip|xpu|ipex|npu|musa|mlu|hpu|gaudi|tpu)(?=[/_.-])", re.I)

_CODE = PYTHON | {"native"}

# Choices of float16: in tests they are part of what is asserted, or of what must fail.
_FLOAT16 = re.compile(r"float16|\.half\b|\(fp16\)|\(mixed_precision\)|\(precision\)")


def temper(result: Judgement | Dismissed, rule: str, ctx: Context) -> Judgement | Dismissed:
    """The judgement under the site's guards: code that is ready for another device stays as it is."""
    if isinstance(result, Dismissed):
        return result
    if result.verdict is Verdict.REVIEW and _FLOAT16.search(result.site.name) and ctx.in_test():
        return by_hand(result, "a test: what it asserts may depend on float16")
    if rule == "cuda-build" and (vendor := _another(ctx) or _beside_others(ctx)) is not None:
        return leave(result, f"by its path this builds for other devices (`{vendor}`)")
    if ctx.source.kind not in _CODE and (device := others(ctx)) is not None:
        return leave(result, f"by its name (`{device}`) it is for another device")
    for guard in result.site.guards:
        if guard.kind in _LEFT:
            return leave(result, _LEFT[guard.kind])
        if guard.kind == "import" and rule in _PACKAGE_RULES and result.site.role == "import":
            if _is_missed(result, ctx):
                continue
            return leave(result, "the import may fail: the program goes on without it")
        if guard.kind == "import" and rule in _PACKAGE_RULES and (line := _imported_under(result, guard, ctx)):
            return leave(result, f"the import in line {line} may fail: the program goes on without it and this")
        if rule == "cuda-extension" and guard.kind in ("cuda", "mention") and not _opts_out(guard, ctx):
            return leave(result, "built only where CUDA is found, or asked for")
        if guard.kind == "fallback" and result.site.name.startswith("torch."):
            return leave(result, "runs only where the import before it fails")
        if guard.kind == "entry" and result.verdict in (Verdict.AUTO, Verdict.REVIEW):
            return by_hand(
                result, f'the table has an entry for `"cuda"`: add one for {ctx.target.title}, and leave this one'
            )
        if guard.kind == "vendors" and result.verdict is not Verdict.PORTABLE:
            if rule in _NEEDED and result.verdict in STAYS and not _by_device(result.site, guard, ctx):
                continue
            return _vendors(result, guard, ctx)
    if result.verdict not in (Verdict.AUTO, Verdict.REVIEW):
        return result
    if ctx.target.keeps_cuda and (other := sister(result.site, ctx)) is not None:
        return leave(result, f"beside it stands `{other}`")
    if (other := twin(result.site, ctx)) is not None:
        return _add(result, other, ctx)
    if ctx.target.keeps_cuda and (vendor := _another(ctx) or (_cuda_beside(("cpu", *OTHERS), ctx) and "cuda")):
        return leave(result, f"by its path this is code for one kind of device (`{vendor}`)")
    if (vendor := _another(ctx)) is not None:
        return by_hand(result, f"by its path this is code for other devices (`{vendor}`)")
    if (other := _cuda_beside(SERVERS, ctx)) is not None:
        return _member(result, Family(other, _cuda_beside((ctx.target.device,), ctx)), ctx)
    if ctx.source.kind not in PYTHON:
        return _file(result, ctx)
    if (members := family(result.site, ctx)) is not None:
        return _member(result, members, ctx)
    scope = _owner(result.site, ctx)
    if (rocm := next(filter(is_rocm, scope.split(".")), None)) is not None:
        return leave(result, f"by its name `{rocm}` is for AMD's GPUs")
    named = ARM.search(scope)
    if named is None or stands_alone(f"{ctx.module}.{scope[: named.end()].rstrip('.')}", ctx):
        return result
    name = named.group().strip(".")
    if name == "cuda" and rule == "cuda-method" and _moves_a_part(result.site):
        return result
    if ctx.target.keeps_cuda:
        return leave(result, f"`{name}` is CUDA's by its name, and stays beside what other devices have")
    return by_hand(result, f"`{name}` is CUDA's by its name: write one for Neuron beside it, and leave this one")


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
    brought = (s for s in ctx.sites if s.start == site.alias and s.role == "import" and s.scope == site.scope)
    return next((s.line for s in brought if guard in s.guards), None)


def _file(result: Judgement, ctx: Context) -> Judgement:
    """The judgement in a file that is not Python: one of several for different devices stays as it is."""
    if (why := served(ctx)) is not None:
        return leave(result, why)
    why = kept(result.site, ctx)
    return by_hand(result, why) if why is not None else result


def _another(ctx: Context) -> str | None:
    """The device, not CUDA, that a file is for: by its path, or beside a file of the same name for CUDA."""
    found = _OTHER_VENDOR.search(ctx.source.path)
    if found is not None:
        return found[1]
    package, _, name = ctx.module.rpartition(".")
    sister = _OTHER_DEVICE.match(name)
    if sister is None or not ctx.project.has(f"{package}.cuda_{sister[2]}".lstrip(".")):
        return None
    return sister[1]


def _beside_others(ctx: Context) -> str | None:
    """The folder of a file that is one device's, not CUDA's: `sdaa/a.py` beside `npu/a.py` and `hpu/a.py`."""
    folder = ctx.source.path.rpartition("/")[0]
    around, _, name = folder.rpartition("/")
    if _FOR_CUDA.search(name):
        return None
    files = ctx.project.files
    own = set(files.get(folder, ())) - {"__init__.py"}
    alike = [device for device in OTHERS if device != name and own.intersection(files.get(f"{around}/{device}", ()))]
    return name if len(alike) > 1 else None


def _cuda_beside(others: tuple[str, ...], ctx: Context) -> str | None:
    """The file for another device beside one that is CUDA's own: `device_tpu.py` by `device_gpu.py`."""
    package, _, name = ctx.module.rpartition(".")
    own = FOR_GPU.search(name)
    if own is None:
        return None
    names = (f"{name[: own.start()]}{other}{name[own.end() :]}" for other in others if other)
    return next((f"{other}.py" for other in names if ctx.project.has(f"{package}.{other}".lstrip("."))), None)


def _opts_out(guard: Guard, ctx: Context) -> bool:
    """``if not SKIP_CUDA_BUILD``: what is built unless somebody says otherwise."""
    return _OPTS_OUT.search(ctx.source.text, guard.start, guard.end) is not None


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


def leave(result: Judgement, why: str) -> Judgement:
    """The same use, not edited: it works on the target as it is."""
    return msgspec.structs.replace(
        result, verdict=Verdict.PORTABLE, advice=sentence(why), effort=Effort.NONE, edits=(), rename=None
    )


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


def by_hand(result: Judgement, advice: str) -> Judgement:
    """The same use, not edited: a person must, and this is why."""
    return msgspec.structs.replace(
        result, verdict=Verdict.MANUAL, advice=sentence(advice), effort=Effort.MINUTES, edits=(), rename=None
    )


def judged(answers: list[Judgement | Dismissed]) -> list[Judgement]:
    """The judgements among answers; those keep their text that would change with one which a comment silences."""
    lines = {a.group: a.site.line for a in answers if isinstance(a, Dismissed) and a.group is not None}

    def held(result: Judgement) -> Judgement:
        if result.group not in lines or not result.edited:
            return result
        return by_hand(result, f"line {lines[result.group]} belongs to it, and is silenced: change them together")

    return [held(a) for a in answers if isinstance(a, Judgement)]
