"""Judging sites in files that porter reads but does not rewrite."""

from __future__ import annotations

import msgspec

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.model import Effort, Verdict
from porter.rules.base import Context, Judgement
from porter.rules.table import by_hand, judgement


def advise(site: Site, row: Row, ctx: Context, message: str = "") -> Judgement:
    """The row's answer. Where it promises an edit, a person makes it: minutes of work, as what to write is known."""
    if ctx.answer(row).verdict not in (Verdict.AUTO, Verdict.REVIEW):
        return judgement(site, row, ctx, message=message)
    return msgspec.structs.replace(by_hand(site, row, ctx, message=message), effort=Effort.MINUTES)
