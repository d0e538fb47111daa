"""Devices that a list names, with others or as all that something may be: they change together, or stay."""

from __future__ import annotations

import ast
import re

from porter.index.site import Site
from porter.rules.base import Context, Judgement
from porter.rules.kernels.known import STAYS
from porter.rules.policy import by_hand

_LITERAL = re.compile(rb"Literal\[[^\]]*\]+[\"']?\s*=\s*\Z")


def annotated(results: list[Judgement], ctx: Context) -> list[Judgement]:
    """``kind: Literal["cuda", "cpu"] = "cuda"``: a default that its annotation must allow."""

    def held(result: Judgement) -> Judgement:
        before = ctx.source.text[max(0, result.site.start - 200) : result.site.start]
        if result.site.use in ("default", "field", "assign") and result.edited and _LITERAL.search(before):
            return by_hand(result, "its annotation lists what it may be: change both together")
        return result

    return [held(r) for r in results]


def listed(results: list[Judgement], ctx: Context) -> list[Judgement]:
    """``["cuda", torch.device("cuda")]``: of the devices of a list, all change or none."""
    members = (r.site for r in results if not r.edited and r.verdict in STAYS and r.site.parent in ("List", "Set"))
    kept = {place: site for site in members for place in _lists(site, ctx)[-1:]}

    def held(result: Judgement) -> Judgement:
        places = _lists(result.site, ctx) if result.edited else []
        site = next((kept[place] for place in places if place in kept), None)
        if site is None:
            return result
        return by_hand(result, f"`{site.name}` in line {site.line} stays: change them together")

    return [held(r) for r in results] if kept else results


def _lists(site: Site, ctx: Context) -> list[int]:
    """Where the lists and sets start that a device is written in, outermost first."""
    around = ctx.outline().expressions(site.start, site.end) if site.kind == "device" else []
    return [ctx.outline().span(node).start for node in around if isinstance(node, ast.List | ast.Set)]
