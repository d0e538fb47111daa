"""What the rules for device tests share: whether the code behind a test lets it change, and what changes with it."""

from __future__ import annotations

import ast
import re
from itertools import pairwise

from porter.index.guards import exits
from porter.index.outline import blocks_of, dotted
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context
from porter.rules.kernels.known import GENERATOR, KERNELS, STAYS, is_arithmetic, is_kernel, is_own_kernel, kernel_of
from porter.rules.placement.abroad import handed
from porter.rules.placement.answers import for_triton
from porter.rules.placement.anywhere import has_arm
from porter.rules.placement.assertions import asserted, refused, spared
from porter.rules.placement.choices import chosen, given_up, granted, installs, numbered, switched_off
from porter.rules.placement.evidence import evidence, is_text
from porter.rules.placement.flags import counted, flag, reads, statement_of, unless
from porter.rules.placement.hold import Hold
from porter.rules.placement.installed import installed, offered, required
from porter.rules.placement.reach import asks_again, has_sister, reached
from porter.rules.placement.settings import tuning
from porter.rules.placement.ways import ways

_NEAR = 2000  # bytes
_NEURON = re.compile(rb"torch\.neuron\b|[\"']neuron[\"':]|is_(?:torch_)?neuron\w*\(")
_VENDORS = re.compile(
    rb"torch\.(npu|xpu|hpu|mlu|musa)\.|[\"'](xla|tpu|npu|xpu|hpu|mlu|musa)[\"':]"
    rb"|is_(?:torch_)?(xla|tpu|npu|xpu|hpu|mlu|musa)_available|torch\.version\.(hip)\b"
)
# An import of PyTorch/XLA that may be missing, by its indentation, and what it is called then.
_OPTIONAL_XLA = re.compile(rb"^[ \t]+import torch_xla[\w.]*(?: as (\w+))?", re.M)
_ROCM = re.compile(r"(?:bool\()?torch\.version\.hip(?: is not None)?\)?")
_MACS = re.compile(r"torch\.(?:backends\.)?mps\.is_available\(\)")
_PRODUCTS = re.compile(
    r"apex|nccl|tensorrt|triton|flash|bitsandbytes|xformers|cudnn|cuda (?:graph|kernel)|megatron|onnxruntime|paddle",
    re.I,
)
# Functions of the program's own that ask for more of CUDA than that it is there.
_OWN_TEST = re.compile(r"cuda\w*_(?:capability|capable|usable|supported|version)$")
_HANDED_ON = re.compile(rb"[(,]\s*\w*cuda\w*\s*=(?!=)(?:[^,=]|[=!]=)*\Z")
_COMMENT = re.compile(rb"(?:[ \t]*#[^\n]*\n)+[ \t]*\Z")
_ALONE = re.compile(
    rb"\bonly (?:(?:works?|runs?|supported|available|implemented|possible) )?(?:(?:on|with|for|in|by) )?"
    rb"(?:CUDA|NCCL|cuDNN)\b"
    rb"|\b(?:CUDA|NCCL)[- ]only\b"
)
_AND = re.compile(rb"\band\b")
_RAISING = ("Raise", "Assert")
# Flags for what a program has for CUDA alone: `WITH_CUDA_HASH_MAP and x.is_cuda`.
_OWN_FLAG = re.compile(
    rb"\b(?:WITH|HAS|HAVE)_CUDA_(?!DEVICE|GPU|AVAIL)\w+(?=\s+and\b)|(?<=\band )isinstance\([\w.]+, \w*CUDA\w+\)"
)
_CHOOSING = ("framework-argument", "compile-backend")  # rules of arguments whose values differ from device to device
_GRAPHS = re.compile(rb"cuda_?graph", re.I)


def together(site: Site) -> str | None:
    """The group of what is decided in one statement: a test, the test beside it, the device that it chooses."""
    return f"statement:{site.statement.start}" if site.statement is not None else None


def hold(site: Site, ctx: Context) -> Hold | None:
    """Why the test at ``site`` must not become one for the target; None where it may."""
    for look in (
        _kernels,
        _beside,
        _installed,
        _behind,
        installs,
        chosen,
        numbered,
        granted,
        given_up,
        switched_off,
        handed,
        _told,
        tuning,
        _around,
        _answered,
        ways,
    ):
        found = look(site, ctx)
        if found is not None:
            return found
    return None


def knows_neuron(site: Site, ctx: Context) -> bool:
    """Whether the site's own statement speaks of Neuron already, not far from the site."""
    statement = site.statement
    if statement is None:
        return False
    start, end = max(statement.start, site.start - _NEAR), min(statement.end, site.end + _NEAR)
    return _NEURON.search(ctx.source.text, start, end) is not None


def vendors(site: Site, ctx: Context) -> str:
    """The server-class accelerators that the site's own statement names beside CUDA, as text for people."""
    found = {name.decode() for names in _VENDORS.findall(statement_of(site, ctx)) for name in names if name}
    return ", ".join(f"`{name}`" for name in sorted(found))


def _kernels(site: Site, ctx: Context) -> Hold | None:
    """``is_triton_available() and device.type in ("cuda", "xpu")``: where the program's Triton kernels run."""
    name = for_triton(site, ctx)
    if name is None:
        return None
    return Hold(Verdict.PORTABLE, f"left as it is: with `{name}` it says where a Triton kernel runs")


def _beside(site: Site, ctx: Context) -> Hold | None:
    """What the test's own statement says of other accelerators, and of whoever asks."""
    if knows_neuron(site, ctx):
        return Hold(Verdict.PORTABLE, "Neuron has a test of its own beside it")
    if _asks_for_rocm(site, ctx):
        return Hold(Verdict.PORTABLE, "left as it is: it asks for ROCm, which Neuron is not")
    if (mac := _for_macs(site, ctx)) is not None:
        return Hold(Verdict.PORTABLE, f"left as it is: with `{mac}` it asks for a Mac")
    if others := vendors(site, ctx):
        return Hold(Verdict.MANUAL, f"add {ctx.target.title} to this test beside {others}, and leave CUDA in it")
    if ctx.target.module and (name := _served(site, ctx)):
        return Hold(Verdict.PORTABLE, f"left as it is: the function serves XLA already, by `{name}`")
    if ctx.target.keeps_cuda and (other := has_arm(site, ctx)):
        advice = f"beside it stands an arm for {other}, which would never be reached: say which devices this is for"
        return Hold(Verdict.MANUAL, advice)
    if site.statement is not None and _HANDED_ON.search(ctx.source.text, site.statement.start, site.start):
        return Hold(Verdict.MANUAL, "it is handed on as an answer about CUDA: see what becomes of it there")
    own = (s for s in _following(site, ctx) if together(s) == together(site))  # not what an assert lets run
    if _is_commented(site, ctx):
        return Hold(Verdict.MANUAL, "the comment above it says that it is for CUDA alone: see whether that is so")
    if (against := held_against(site, ctx)) is not None:
        return Hold(Verdict.MANUAL, f"it is compared with `{against}`, which answers for CUDA: decide both")
    if flagged := next((s for s in own if _is_backend_flag(s, ctx)), None) or _left_alike(site, ctx):
        return Hold(Verdict.PORTABLE, f"left as it is: with `{flagged.name}` it asks for CUDA's own libraries")
    if made := _OWN_FLAG.search(statement_of(site, ctx)):
        name = made.group().decode()
        return Hold(Verdict.PORTABLE, f"left as it is: with `{name}` it asks for code that is CUDA's alone")
    if _GRAPHS.search(statement_of(site, ctx)):
        names = (dotted(part) or "" for part in ctx.outline().joined(site.start, site.end))
        if (graphs := next((n for n in names if _GRAPHS.search(n.encode())), None)) is not None:
            return Hold(Verdict.PORTABLE, f"left as it is: with `{graphs}` it asks for CUDA graphs")
    return None


def _installed(site: Site, ctx: Context) -> Hold | None:
    """``torch.cuda.is_available() and has_fused``: what only a package for CUDA makes true."""
    if (name := required(site, ctx)) is not None:
        return Hold(
            Verdict.MANUAL, f"beside it `{name}` asks for a package: see whether that runs on {ctx.target.title}"
        )
    if (part := offered(site, ctx)) is not None:
        advice = f"beside it `{part.name}` asks for `{part.package}`: see whether that runs on {ctx.target.title}"
        return Hold(Verdict.MANUAL, advice)
    found = installed(site, ctx)
    if found is None:
        return None
    advice = f"left as it is: `{found.name}` is true only where {found.where} finds `{found.package}`, which needs CUDA"
    return Hold(Verdict.PORTABLE, advice)


def _served(site: Site, ctx: Context) -> str:
    """What the function around the test uses of PyTorch/XLA, where the file has that if it is there."""
    function = ctx.outline().function(site.start)
    if function is None:
        return ""
    names = {found[1].decode() if found[1] else "torch_xla" for found in _OPTIONAL_XLA.finditer(ctx.source.text)}
    used = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)} if names else set()
    return next(iter(sorted(names & used)), "")


def _left_alike(site: Site, ctx: Context) -> Site | None:
    """A flag of CUDA's own libraries that a condition asks for above the test's own, and leaves the function alike."""
    match ctx.outline().around(site.start)[-1:]:
        case [ast.If(orelse=[]) as here]:
            return ctx.once(_flags_of_alike, ctx.outline().parent(site.start)).get(here)
    return None


def _flags_of_alike(ctx: Context, outer: ast.AST) -> dict[ast.AST, Site]:
    """For the conditions in a block that leave the function as those right above them do: the next flag asked there."""
    found: dict[ast.AST, Site] = {}
    for above, here in (pair for block in blocks_of(outer) for pair in pairwise(block)):
        if (
            isinstance(above, ast.If)
            and isinstance(here, ast.If)
            and exits(here.body)
            and _alike(above.body, here.body)
        ):
            span = ctx.outline().span(above.test)
            asked = (s for s in ctx.nesting.starting(span.start, span.end) if _is_backend_flag(s, ctx))
            if (flagged := next(asked, None) or found.get(above)) is not None:
                found[here] = flagged
    return found


def _alike(one: list[ast.stmt], other: list[ast.stmt]) -> bool:
    return list(map(ast.dump, one)) == list(map(ast.dump, other))


def _is_backend_flag(site: Site, ctx: Context) -> bool:
    return _rule_of(site, ctx) == "cuda-backend-flag"


def _asks_for_rocm(site: Site, ctx: Context) -> bool:
    """``torch.version.hip and torch.cuda.is_available()``."""
    if b"torch.version.hip" not in ctx.source.text:
        return False
    return any(_ROCM.fullmatch(ast.unparse(part)) for part in ctx.outline().joined(site.start, site.end))


def _for_macs(site: Site, ctx: Context) -> str | None:
    """``torch.backends.mps.is_available() and not torch.cuda.is_available()``: what is asked beside a denied test."""
    if b"mps.is_available" not in statement_of(site, ctx) or not ctx.outline().denies(site.start, site.end):
        return None
    parts = (ast.unparse(part) for part in ctx.outline().joined(site.start, site.end))
    return next((part for part in parts if _MACS.fullmatch(part)), None)


def _is_commented(site: Site, ctx: Context) -> bool:
    """Whether the lines above the test's statement say that only CUDA can do this."""
    statement, text = site.statement, ctx.source.text
    above = _COMMENT.search(text, max(0, statement.start - 400), statement.start) if statement is not None else None
    return above is not None and _ALONE.search(above.group()) is not None


def held_against(site: Site, ctx: Context) -> str | None:
    """``torch.cuda.is_available() == CUDA_IS_AVAILABLE``: what else answers for CUDA, by its name.

    So in ``made.cuda_available == (device.type == "cuda")``, where the site's own comparison is one side.
    """
    compared = site.kind == "device" and site.use == "compare"
    if not compared and not site.name.startswith("torch.cuda."):
        return None
    around = [n for n in ctx.outline().expressions(site.start, site.end) if isinstance(n, ast.Compare)]
    sides = (side for node in around[: -1 if compared else None] for side in (node.left, *node.comparators))
    names = (name for side in sides if (name := dotted(side)) is not None)
    return next((name for name in names if "cuda" in name.lower()), None)


def _behind(site: Site, ctx: Context) -> Hold | None:
    """What runs only where the test holds."""
    if any(guard.kind in ("vendors", "handled") for guard in site.guards):
        return None  # the chain around it decides
    followers = [s for s in (*opened(site, ctx), *_following(site, ctx)) if s is not site]
    blockers = [s for s in followers if blocks(s, ctx) or _splits(s, site, ctx)]
    blockers = [s for s in blockers if not spared(s, blockers, site, ctx)]
    blocker = next((s for s in blockers if s.kind != "string"), next(iter(blockers), None))
    if blocker is not None:
        where = f"line {blocker.line}" if blocker.line != site.line else "the rest of this line"
        why = _needs(blocker)
    elif found := reached(site, ctx):
        where, why = f"`{found.name}`", f"where `{found.needs}` needs CUDA"
    elif again := asks_again(site, ctx):
        return Hold(Verdict.MANUAL, f"`{again}`, which is all that it leads to, asks for CUDA itself: decide both")
    else:
        return None
    tests = [s for s in followers if s.start > site.end and s.use == "compare" and together(s) == together(site)]
    placed = [s for s in followers if s not in tests and _places(s)]
    if placed or asserted(site) or refused(site, ctx) or (blocker is not None and has_sister(blocker, ctx)):
        return Hold(Verdict.MANUAL, f"port {where} first, {why}, and this test with it")
    return Hold(Verdict.PORTABLE, f"left as it is: it keeps {ctx.target.title} out of {where}, {why}")


def _needs(blocker: Site) -> str:
    """Why a line stays CUDA's, as people are told: what an error says is not what needs CUDA."""
    if blocker.kind == "string" and blocker.statement is not None and blocker.statement.kind in _RAISING:
        return "which raises"
    if blocker.kind == "device":
        return f'where `"{blocker.name}"` stays'
    return f'where `"{blocker.name}"` needs CUDA' if blocker.kind == "string" else f"where `{blocker.name}` needs CUDA"


def _told(site: Site, ctx: Context) -> Hold | None:
    """``Trainer(accelerator="gpu" if torch.cuda.is_available() else "cpu")``: what a framework or compiler is to do."""
    arguments = (s for s in ctx.nesting.around(site) if s.kind == "argument")
    argument = next((s for s in arguments if _rule_of(s, ctx) in _CHOOSING), None)
    if argument is None:
        return None
    return Hold(Verdict.MANUAL, f"it chooses `{argument.name}`: say what that is to be on {ctx.target.title}")


def _rule_of(site: Site, ctx: Context) -> str:
    row = ctx.catalogue.find(site.kind, site.name)
    return row.rule if row is not None else ""


def _around(site: Site, ctx: Context) -> Hold | None:
    """What the function around the test imports for itself, and not for another block, if that is for CUDA alone."""
    for other in ctx.once(_brought_within):
        local = f"{site.scope}.".startswith(f"{other.scope}.")
        if local and ctx.outline().shares_block(other.start, site.start):
            return Hold(Verdict.MANUAL, f"`{other.name}`, which line {other.line} imports for this, needs CUDA")
    return None


def _brought_within(ctx: Context) -> list[Site]:
    """What functions import for themselves that is for CUDA alone."""
    return [s for s in ctx.sites if s.role == "import" and s.scope and is_kernel(s, ctx)]


def _answered(site: Site, ctx: Context) -> Hold | None:
    """In a file with kernels: what a function returns, what a tensor is asked and what a build asks may choose one."""
    statement = site.statement
    if statement is None or any(g.start > statement.start for g in site.guards):
        return None
    is_build = ctx.source.path.endswith("setup.py")
    refuses = ctx.source.text.startswith(b"raise", statement.end) or statement.kind == "Assert"
    returns = statement.kind == "Return" and not (site.parent == "test" and opened(site, ctx))  # seen
    if not (returns or site.name.endswith(".is_cuda") or is_build or refuses):
        return None
    kernel, around = kernel_of(ctx), ctx.outline().around(site.start)[-1]
    behind = [s for s in (*opened(site, ctx), *_following(site, ctx)) if s.scope == site.scope]
    if refuses and any(_places(s) and s.use != "compare" and not s.detail.startswith("`torch.cuda.") for s in behind):
        return None  # it is for what is moved behind it
    if kernel is None or (isinstance(around, ast.If) and all(map(_moves, (*around.body, *around.orelse)))):
        return None
    why = "may be what needs it: if so, port that first" if refuses else "may be chosen by this: if so, leave it"
    return Hold(Verdict.MANUAL, f"`{kernel.name}` of line {kernel.line} {why}")


def _places(site: Site) -> bool:
    """Whether a site says where something is put."""
    return site.kind == "device" or site.name.endswith(".cuda") or site.name == GENERATOR


def _moves(node: ast.stmt) -> bool:
    """``x = x.cpu()``: what takes a tensor elsewhere, and runs no kernel."""
    called = node.value.func if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) else None
    return isinstance(called, ast.Attribute) and called.attr in ("cpu", "cuda", "to")


def opened(site: Site, ctx: Context) -> list[Site]:
    """The sites of the branches that the test opens, itself or as a flag, and the errors of those that it closes."""
    name = flag(site, ctx)
    named = reads(name) if name is not None else None

    found: set[int] = set()
    for (start, end), inside in ctx.once(_conditions).items():
        asked = start <= site.start and site.end <= end
        if asked or (named is not None and named.search(ctx.source.text, start, end) is not None):
            found.update(inside)
    return [ctx.sites[number] for number in sorted(found)]


def _conditions(ctx: Context) -> dict[tuple[int, int], list[int]]:
    """The sites that each condition opens, by number, and the errors of those that it closes."""
    found: dict[tuple[int, int], list[int]] = {}
    for number, inner in enumerate(ctx.sites):
        for guard in inner.guards:
            if guard.kind != "else" or _raised(inner):
                found.setdefault((guard.start, guard.end), []).append(number)
    return found


def _following(site: Site, ctx: Context) -> list[Site]:
    """The sites behind an ``and``, behind an ``or`` that denies the test, and those that an ``assert`` lets run."""
    statement = site.statement
    if statement is None:
        return []
    found, rest = [], unless(site, ctx)
    for other in ctx.sites if asserted(site) else ctx.once(_of_statements).get(statement.start, ()):
        if other.start < site.end or other.statement is None:
            continue
        if other.statement.start == statement.start:
            behind = _AND.search(ctx.source.text, site.end, other.start) or (
                rest is not None and rest.holds(other.start)
            )
            if _raised(other) or (other.kind != "string" and behind):
                found.append(other)
        elif other.kind != "string" and ctx.outline().rest_of_block(site.start).holds(other.start):
            found.append(other)
    return found


def _of_statements(ctx: Context) -> dict[int, list[Site]]:
    """The sites of each statement, by where that starts."""
    found: dict[int, list[Site]] = {}
    for site in ctx.sites:
        if site.statement is not None:
            found.setdefault(site.statement.start, []).append(site)
    return found


def _raised(site: Site) -> bool:
    """Whether the site is the text of an error, or what a test in the same statement chooses."""
    statement = site.statement
    if site.kind != "string" or statement is None:
        return False
    chosen = any(guard.start > statement.start for guard in site.guards)
    return chosen or statement.kind in _RAISING


def blocks(site: Site, ctx: Context) -> bool:
    """Whether a site is code that stays CUDA's, the arm of a chain over vendors, or an error that says so."""
    return ctx.once(_blocks, site)


def _blocks(ctx: Context, site: Site) -> bool:
    if site.kind != "string" and any(guard.kind in ("vendors", "handled") for guard in site.guards):
        return True
    if site.kind == "device":
        return site.use not in ("compare", "key") and evidence(site, ctx) is None and not is_text(site, ctx)
    if site.name == GENERATOR:
        return "cpu" not in ctx.text(site.start, site.end)
    told = site.kind == "string" and _raised(site) and b"SkipTest" not in statement_of(site, ctx)
    product = _PRODUCTS.search(site.name) if told else None
    if product is not None and not ctx.project.has(product.group().lower()):
        return True
    if site.name == "torch.cuda" and any(o.role == "dynamic" and o.start <= site.start < o.end for o in ctx.sites):
        return False  # `hasattr(torch.cuda, "x")` is about `x`
    if is_arithmetic(site):
        return False
    row = ctx.catalogue.find(site.kind, site.name)
    if row is None:
        asks = site.role == "call" and _OWN_TEST.search(site.name) is not None
        brought = site.role == "import" and site.kind != "own"
        return brought or asks or is_own_kernel(site, ctx)
    verdict = ctx.answer(row).verdict
    if (
        verdict is Verdict.BLOCKED
        or is_kernel(site, ctx)
        or (site.kind == "argument" and row.rule == "device-dtype" and verdict in STAYS)
    ):
        return True
    return verdict in STAYS and site.kind in ("symbol", "string") and (row.rule in KERNELS or "cuda" in site.name)


def _splits(site: Site, test: Site, ctx: Context) -> bool:
    """Whether the site splits batches over GPUs right behind a test: the program does without where that fails."""
    if not ctx.target.keeps_cuda or _rule_of(site, ctx) != "data-parallel" or site.role != "call":
        return False
    guards = [g for g in site.guards if g.start <= test.start and test.end <= g.end]
    return bool(guards) and guards[0] is site.guards[0] and not counted(site, ctx)
