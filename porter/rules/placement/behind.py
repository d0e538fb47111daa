"""What stands behind a test of the device: in the branches that it opens, behind an ``and`` or an ``assert``."""

from __future__ import annotations

import re

from porter.index.nesting import Nesting
from porter.index.outline import Span
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context
from porter.rules.kernels.known import GENERATOR, KERNELS, STAYS, is_arithmetic, is_kernel, is_own_kernel
from porter.rules.placement.assertions import asserted, refused, spared
from porter.rules.placement.evidence import evidence, is_text
from porter.rules.placement.flags import counted, flag, naming, statement_of, unless
from porter.rules.placement.hold import Hold
from porter.rules.placement.reach import asks_again, has_sister, reached
from porter.rules.uses import is_shown

_PRODUCTS = re.compile(
    r"apex|nccl|tensorrt|triton|flash|bitsandbytes|xformers|cudnn|cuda (?:graph|kernel)|megatron|onnxruntime|paddle",
    re.I,
)
# Functions of the program's own that ask for more of CUDA than that it is there.
_OWN_TEST = re.compile(r"cuda\w*_(?:capability|capable|usable|supported|version)$")
_AND = re.compile(rb"\band\b")
_MACRO = re.compile(r"(?:WITH|USE)_CUDA$")  # of a build for CUDA, on any target: `macros += [("WITH_CUDA", None)]`
_RAISING = ("Raise", "Assert")

# Plain PyTorch, which is no reason to ask for CUDA, whatever it costs elsewhere.
_OPERATORS = frozenset({"channels-last", "data-dependent-shape", "slow-operator"})


def together(site: Site) -> str | None:
    """The group of what is decided in one statement: a test, the test beside it, the device that it chooses."""
    return f"statement:{site.statement.start}" if site.statement is not None else None


def rule_of(site: Site, ctx: Context) -> str:
    """The name of the rule that judges a site; empty where none does."""
    row = ctx.catalogue.find(site.kind, site.name)
    return row.rule if row is not None else ""


def behind(site: Site, ctx: Context) -> Hold | None:
    """What runs only where the test holds."""
    if any(guard.kind in ("vendors", "handled") for guard in site.guards):
        return None  # the chain around it decides
    followers = [s for s in (*opened(site, ctx), *following(site, ctx)) if s is not site]
    blockers = [s for s in followers if blocks(s, ctx) or _splits(s, site, ctx)]
    blockers = [s for s in blockers if not spared(s, blockers, site, ctx)]
    blocker = min(blockers, key=lambda s: _is_word(s, ctx), default=None)
    if blocker is not None:
        where = f"line {blocker.line}" if blocker.line != site.line else "the rest of this line"
        why = _needs(blocker)
    elif found := reached(site, ctx):
        where, why = f"`{found.name}`", found.where
    elif again := asks_again(site, ctx):
        return Hold(Verdict.MANUAL, f"`{again}`, which is all that it leads to, asks for CUDA itself: decide both")
    else:
        return None
    tests = [s for s in followers if s.start > site.end and s.use == "compare" and together(s) == together(site)]
    placed = [s for s in followers if s not in tests and places(s, ctx)]
    if placed or asserted(site) or refused(site, ctx) or (blocker is not None and has_sister(blocker, ctx)):
        return Hold(Verdict.MANUAL, f"port {where} first, {why}, and this test with it")
    return Hold(Verdict.PORTABLE, f"left as it is: it keeps {ctx.target.title} out of {where}, {why}")


def _is_word(site: Site, ctx: Context) -> bool:
    """Whether a site is a text, or asks for what the program calls so itself: ``if self.cuda:``."""
    return site.kind == "string" or (site.role == "load" and ctx.project.owner(site.name) != "")


def _needs(blocker: Site) -> str:
    """Why a line stays CUDA's, as people are told: what an error says is not what needs CUDA."""
    if blocker.kind == "string" and blocker.statement is not None and blocker.statement.kind in _RAISING:
        return "which raises"
    if blocker.kind == "device":
        return f'where `"{blocker.name}"` stays'
    return f'where `"{blocker.name}"` needs CUDA' if blocker.kind == "string" else f"where `{blocker.name}` needs CUDA"


def opened(site: Site, ctx: Context) -> list[Site]:
    """The sites of the branches that the test opens, itself or as a flag, and the errors of those that it closes."""
    name, conditions = flag(site, ctx), ctx.once(_conditions)
    asked = {*ctx.once(_places).around(site), *(ctx.once(naming, name) if name is not None else ())}
    return [ctx.sites[number] for number in sorted({number for span in asked for number in conditions.get(span, ())})]


def _conditions(ctx: Context) -> dict[Span, list[int]]:
    """The sites that each condition opens, by number, and the errors of those that it closes."""
    found: dict[Span, list[int]] = {}
    for number, inner in enumerate(ctx.sites):
        for guard in inner.guards:
            if guard.kind != "else" or _raised(inner):
                found.setdefault(Span(guard.start, guard.end), []).append(number)
    return found


def _places(ctx: Context) -> Nesting[Span]:
    """The places of the conditions."""
    return Nesting(ctx.once(_conditions))


def following(site: Site, ctx: Context) -> list[Site]:
    """The sites behind an ``and``, behind an ``or`` that denies the test, and those that an ``assert`` lets run."""
    statement = site.statement
    if statement is None:
        return []
    found, rest = [], unless(site, ctx)
    beside = ctx.once(_of_statements).get(statement.start, ())
    if asserted(site):
        beside = ctx.nesting.starting(site.end, ctx.outline().rest_of_block(site.start).end)
    for other in beside:
        if other.start < site.end or other.statement is None:
            continue
        if other.statement.start == statement.start:
            joined = _AND.search(ctx.source.text, site.end, other.start) or (
                rest is not None and rest.holds(other.start)
            )
            if _raised(other) or (other.kind != "string" and joined):
                found.append(other)
        elif other.kind != "string":
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
    if site.name == "torch.cuda" and any(o.start <= site.start < o.end for o in ctx.where("role", "dynamic")):
        return False  # `hasattr(torch.cuda, "x")` is about `x`
    if is_arithmetic(site) or (site.name == "torch.version.cuda" and is_shown(site, ctx)):
        return False
    row = ctx.catalogue.find(site.kind, site.name)
    if row is None:
        asks = site.role == "call" and _OWN_TEST.search(site.name) is not None
        brought = site.role == "import" and site.kind != "own"
        return brought or asks or is_own_kernel(site, ctx)
    verdict = ctx.answer(row).verdict
    if (
        (site.parent == "Tuple" and _MACRO.search(site.name))
        or (verdict is Verdict.BLOCKED and row.rule not in _OPERATORS)
        or is_kernel(site, ctx)
        or (site.kind == "argument" and row.rule == "device-dtype" and verdict in STAYS)
    ):
        return True
    return verdict in STAYS and site.kind in ("symbol", "string") and (row.rule in KERNELS or "cuda" in site.name)


def _splits(site: Site, test: Site, ctx: Context) -> bool:
    """Whether the site splits batches over GPUs right behind a test: the program does without where that fails."""
    if not ctx.target.keeps_cuda or rule_of(site, ctx) != "data-parallel" or site.role != "call":
        return False
    guards = [g for g in site.guards if g.start <= test.start and test.end <= g.end]
    return bool(guards) and guards[0] is site.guards[0] and not counted(site, ctx)


def places(site: Site, ctx: Context) -> bool:
    """Whether a site says where something is put; PyTorch's version of CUDA, and an attribute ``cuda``, do not."""
    moves = site.name.endswith(".cuda") and not site.name.startswith("torch.version.")
    return site.kind == "device" or (moves and not _is_word(site, ctx)) or site.name == GENERATOR
