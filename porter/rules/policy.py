"""What holds for every rule: which rule a site goes to, and how a judgement is taken back."""

from __future__ import annotations

import msgspec

from porter.catalog.schema import Row
from porter.index.facts import PYTHON
from porter.index.site import Site
from porter.model import Effort, Verdict
from porter.rules.base import Context, Dismissed, Judgement
from porter.rules.data.cuda_map_location import locations
from porter.rules.distributed.order import comes_first
from porter.rules.kernels.known import KERNELS
from porter.rules.placement.anywhere import is_compared
from porter.rules.table import sentence

_GUARDED = frozenset({"cuda", "else", "mention", "handled", "vendors", "import", "fallback", "old", "test"})

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


def leave(result: Judgement, why: str) -> Judgement:
    """The same use, not edited: it works on the target as it is."""
    return msgspec.structs.replace(
        result, verdict=Verdict.PORTABLE, advice=sentence(why), effort=Effort.NONE, edits=(), rename=None
    )


def by_hand(result: Judgement, *advice: str) -> Judgement:
    """The same use, not edited: a person must, and this is why."""
    return msgspec.structs.replace(
        result, verdict=Verdict.MANUAL, advice=sentence(*advice), effort=Effort.MINUTES, edits=(), rename=None
    )


def judged(answers: list[Judgement | Dismissed]) -> list[Judgement]:
    """The judgements among answers; those keep their text that would change with one which a comment silences."""
    lines = {a.group: a.site.line for a in answers if isinstance(a, Dismissed) and a.group is not None}

    def held(result: Judgement) -> Judgement:
        if result.group not in lines or not result.edited:
            return result
        return by_hand(result, f"line {lines[result.group]} belongs to it, and is silenced: change them together")

    return [held(a) for a in answers if isinstance(a, Judgement)]
