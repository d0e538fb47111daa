"""What the rules for device strings share: evidence that a string is a device, and the edit."""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.index.summary import Mark
from porter.model import Verdict
from porter.rules.base import Context, Edits, Judgement
from porter.rules.table import by_hand, judgement


def evidence(site: Site, ctx: Context) -> Mark | None:
    """Where the string ends up as a device; None if nothing shows that it does."""
    if site.sink == "device" and site.certain:
        return Mark(site.place or "", "device", site.detail)
    found = ctx.project.reaches(site.place, "device", ctx.module)
    if found is None and site.sink == "device":
        found = Mark(site.place or "", "device", f"`{site.detail}`", certain=False)
    return found


def word_edit(site: Site, ctx: Context) -> Edits | None:
    """The literal with ``cuda`` replaced by the target's device type."""
    from porter.rewrite.calls import replace_in_string

    if not site.editable:
        return None
    return replace_in_string(ctx.source.text, site.start, site.end, "cuda", ctx.target.device)


def judge_device(site: Site, row: Row, ctx: Context, what: str, group: str | None = None) -> Judgement:
    """Rewrite a device string that provably is one; say what is missing otherwise. ``what`` names the construct."""
    found = evidence(site, ctx)
    if found is None:
        return by_hand(
            site, row, ctx, "no device that porter can see takes this value, so porter does not touch it", message=what
        )
    numbered = ":" in site.name
    verdict = Verdict.AUTO if found.certain and not numbered else Verdict.REVIEW
    if ctx.answer(row).verdict not in (Verdict.AUTO, Verdict.REVIEW):
        return judgement(site, row, ctx, message=what)
    note = ""
    if not found.certain:
        note = f"passed as {found.why}, to code that porter cannot see"
    elif numbered:
        note = "one process drives one core: the index must be the local rank, or 0 outside distributed runs"
    return judgement(
        site,
        row,
        ctx,
        verdict=verdict,
        message=f"{what}, taken by {found.why}" if found.certain and found.why else what,
        advice=f'write `"{site.name.replace("cuda", ctx.target.device)}"`' if ctx.target.device else "",
        note=note,
        edits=word_edit(site, ctx) if ctx.edits else (),
        group=group,
    )
