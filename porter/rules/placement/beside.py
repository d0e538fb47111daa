"""What the own statement of a test of the device says: of other accelerators, of packages, of whoever asks."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import chain, pairwise

from porter.index.guards import exits
from porter.index.outline import blocks_of, dotted
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context
from porter.rules.placement.anywhere import has_arm
from porter.rules.placement.behind import following, opened, rule_of, together
from porter.rules.placement.flags import statement_of
from porter.rules.placement.hold import Hold
from porter.rules.uses import function_around

_NEAR = 2000  # bytes
_NEURON = re.compile(rb"torch\.neuron\b|[\"']neuron[\"':]|is_(?:torch_)?neuron\w*\(")
_VENDORS = re.compile(
    rb"torch\.(npu|xpu|hpu|mlu|musa)\.|[\"'](xla|tpu|npu|xpu|hpu|mlu|musa)[\"':]"
    rb"|(?i:is_(?:torch_)?(xla|tpu|npu|xpu|hpu|mlu|musa)_available)|\.is_(xla|xpu|hpu|mlu|musa)\b|torch\.version\.(hip)\b"
)
# An import of PyTorch/XLA that may be missing, by its indentation, and what it is called then.
_OPTIONAL_XLA = re.compile(rb"^[ \t]+import torch_xla[\w.]*(?: as (\w+))?", re.M)
_ROCM = re.compile(r"(?:bool\()?torch\.version\.hip(?: is not None)?\)?")
_MACS = re.compile(r"torch\.(?:backends\.)?mps\.is_available\(\)")
_HANDED_ON = re.compile(rb"[(,]\s*\w*cuda\w*\s*=(?!=)(?:[^,=]|[=!]=)*\Z")
_COMMENT = re.compile(rb"(?:[ \t]*#[^\n]*\n)+[ \t]*\Z")
_ALONE = re.compile(
    rb"\bonly (?:(?:works?|runs?|supported|available|implemented|possible) )?(?:(?:on|with|for|in|by) )?"
    rb"(?:CUDA|NCCL|cuDNN)\b"
    rb"|\b(?:CUDA|NCCL)[- ]only\b"
)
# Flags for what a program has for CUDA alone: `WITH_CUDA_HASH_MAP and x.is_cuda`.
_OWN_FLAG = re.compile(
    rb"\b(?:WITH|HAS|HAVE)_CUDA_(?!DEVICE|GPU|AVAIL)\w+(?=\s+and\b)|(?<=\band )isinstance\([\w.]+, \w*CUDA\w+\)"
    rb"|(?<=\band )(?!torch\.cuda)\w[\w.()]*\.get_device_capability(?=\()"  # of a module that may be any device's
)
_FOUND = frozenset({"torch.backends.cudnn.is_available", "torch.backends.cuda.is_built"})  # as good as CUDA itself
_GRAPHS = re.compile("cuda_?graph", re.I)


def knows_neuron(site: Site, ctx: Context) -> bool:
    """Whether the site's own statement speaks of Neuron already, not far from the site."""
    statement = site.statement
    if statement is None:
        return False
    start, end = max(statement.start, site.start - _NEAR), min(statement.end, site.end + _NEAR)
    return _NEURON.search(ctx.source.text, start, end) is not None


def vendors(site: Site, ctx: Context) -> str:
    """The server-class accelerators that the site's own statement names beside CUDA, as text for people."""
    statement = site.statement
    return ctx.once(_vendors_within, statement.start, statement.end) if statement is not None else ""


def _vendors_within(ctx: Context, start: int, end: int) -> str:
    found = {name.decode().lower() for names in _VENDORS.findall(ctx.source.text, start, end) for name in names if name}
    return ", ".join(f"`{name}`" for name in sorted(found))


def beside(site: Site, ctx: Context) -> Hold | None:
    """What the test's own statement says of other accelerators, and of whoever asks."""
    return next(chain(_of_others(site, ctx), _of_cuda(site, ctx)), None)


def _of_others(site: Site, ctx: Context) -> Iterator[Hold]:
    """What it says of devices that are not CUDA's."""
    if knows_neuron(site, ctx):
        yield Hold(Verdict.PORTABLE, "Neuron has a test of its own beside it")
    if _asks_for_rocm(site, ctx):
        yield Hold(Verdict.PORTABLE, "left as it is: it asks for ROCm, which Neuron is not")
    if (mac := _for_macs(site, ctx)) is not None:
        yield Hold(Verdict.PORTABLE, f"left as it is: with `{mac}` it asks for a Mac")
    if others := vendors(site, ctx):
        yield Hold(Verdict.MANUAL, f"add {ctx.target.title} to this test beside {others}, and leave CUDA in it")
    if others := _told_apart(site, ctx):
        advice = f"the function tells {others} apart by it as well: say what {ctx.target.title} gets, and leave CUDA"
        yield Hold(Verdict.MANUAL, advice)
    if ctx.target.module and (name := _served(site, ctx)):
        yield Hold(Verdict.PORTABLE, f"left as it is: the function serves XLA already, by `{name}`")
    if ctx.target.keeps_cuda and (other := has_arm(site, ctx)):
        advice = f"beside it stands an arm for {other}, which would never be reached: say which devices this is for"
        yield Hold(Verdict.MANUAL, advice)


def _of_cuda(site: Site, ctx: Context) -> Iterator[Hold]:
    """What it says of what is CUDA's alone."""
    if _is_handed_on(site, ctx):
        yield Hold(Verdict.MANUAL, "it is handed on as an answer about CUDA: see what becomes of it there")
    if _is_commented(site, ctx):
        yield Hold(Verdict.MANUAL, "the comment above it says that it is for CUDA alone: see whether that is so")
    if (against := held_against(site, ctx)) is not None:
        yield Hold(Verdict.MANUAL, f"it is compared with `{against}`, which answers for CUDA: decide both")
    if (built := _builds(site, ctx)) is not None:
        yield Hold(Verdict.PORTABLE, f"left as it is: with `{built.name}` it says what is built for CUDA")
    own = (s for s in following(site, ctx) if together(s) == together(site))  # not what an assert lets run
    if flagged := next((s for s in own if _is_backend_flag(s, ctx)), None) or _left_alike(site, ctx):
        if flagged.name in _FOUND and not _sets_flags(site, ctx):
            yield Hold(Verdict.MANUAL, f"beside it `{flagged.name}` is true of CUDA alone: drop it, and port this")
        yield Hold(Verdict.PORTABLE, f"left as it is: with `{flagged.name}` it asks for CUDA's own libraries")
    if made := _OWN_FLAG.search(statement_of(site, ctx)):
        name = made.group().decode()
        yield Hold(Verdict.PORTABLE, f"left as it is: with `{name}` it asks for code that is CUDA's alone")
    names = site.scope.split(".")
    if _GRAPHS.search(statement_of(site, ctx).decode()):
        names += (dotted(part) or "" for part in ctx.outline().joined(site.start, site.end))
    for graphs in filter(_GRAPHS.search, names):
        yield Hold(Verdict.PORTABLE, f"left as it is: by its name `{graphs}` is for CUDA graphs")


def _is_handed_on(site: Site, ctx: Context) -> bool:
    """Whether the answer is given to what is named after CUDA: ``f(use_cuda=there)``, not ``f(cuda=x() if there ...)``.

    A call that is only made where the test holds is ported by itself: its answer is given, and not the test's.
    """
    statement = site.statement
    found = _HANDED_ON.search(ctx.source.text, statement.start, site.start) if statement is not None else None
    if found is None:
        return False
    span = ctx.outline().span
    choices = (n for n in ctx.outline().expressions(site.start, site.end) if isinstance(n, ast.IfExp))
    chosen = [span(n.body) for n in choices if found.start() < span(n).start and span(n.test).holds(site.start)]
    return not any(other.role == "call" for part in chosen for other in ctx.nesting.starting(part.start, part.end))


def _told_apart(site: Site, ctx: Context) -> str:
    """The accelerators that what is compared here is compared with elsewhere in the function, as text for people."""
    if not (site.use == "compare" and site.detail and site.scope):
        return ""
    other = re.compile(
        rb"(?<![\w.])" + re.escape(site.detail.encode()) + rb"\s*[!=]=\s*[\"'](xla|tpu|[nxh]pu|mlu|musa)[\"':]"
    )
    found = {name.decode() for name in other.findall(function_around(site, ctx))}
    return ", ".join(f"`{name}`" for name in sorted(found))


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
    return rule_of(site, ctx) == "cuda-backend-flag"


def _sets_flags(test: Site, ctx: Context) -> bool:
    """Whether nothing stands behind a test but flags of CUDA's own libraries."""
    led = opened(test, ctx)
    return bool(led) and all(_is_backend_flag(site, ctx) for site in led)


def _builds(site: Site, ctx: Context) -> Site | None:
    """``torch.cuda.is_available() or os.getenv("FORCE_CUDA")``: what says beside the test how extensions are built."""
    start, end = (site.statement.start, site.statement.end) if site.statement is not None else (site.start, site.end)
    return next((s for s in ctx.nesting.within(start, end) if rule_of(s, ctx) == "cuda-build"), None)


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
