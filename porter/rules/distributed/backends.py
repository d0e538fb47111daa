"""Tests for NCCL: what they lead to, and how the portable target writes them.

Which backend the accelerator has only the program finds out, but that of the CPU is gloo: a group of another backend
runs on the accelerator.
"""

from __future__ import annotations

import re

from porter.index.site import Site
from porter.rules.base import Context, Edits
from porter.rules.placement.anywhere import opposite
from porter.rules.placement.reach import arms, leads_to

_NCCL = re.compile(rb"nccl|barrier\([^()]*\bdevice_ids\b", re.I)
_OTHERS = re.compile(rb"[\"'](?:mpi|ucc|fake|xccl|hccl|cncl|mccl|ccl|bkcl|smddp|xla|rccl)[\"']")
_QUOTED = re.compile(r"([\"'])nccl\1")


def asked_of_nccl(site: Site, ctx: Context) -> bool:
    """Whether the site runs only where NCCL is the backend, by a test that the program makes."""
    return any(leads_to(test, site, ctx) for test in ctx.sites if tests_nccl(test) and test.start != site.start)


def goes_with_device(test: Site, ctx: Context) -> bool:
    """Whether what a test for NCCL leads to is about the device that goes with it, rather than about NCCL."""
    outline = ctx.outline()
    spans = [outline.span(node) for arm in arms(test, ctx) for node in arm]
    if any(_NCCL.search(ctx.source.text, span.start, span.end) for span in spans):
        return False
    placed = (
        s for s in ctx.sites if s.kind == "device" or s.name.startswith("torch.cuda.") or s.name.endswith(".cuda")
    )
    return any(span.holds(site.start) for site in placed for span in spans)


def knows_others(ctx: Context) -> bool:
    """Whether the file names backends beside NCCL and gloo."""
    return ctx.says(_OTHERS)


def not_gloo(test: Site, ctx: Context) -> Edits | None:
    """``backend == "nccl"`` as ``backend != "gloo"``, and the other way round. None where it has another shape."""
    quoted = _QUOTED.fullmatch(ctx.text(test.start, test.end))
    return opposite(test, f"{quoted[1]}gloo{quoted[1]}", ctx) if quoted is not None else None


def is_options(site: Site) -> bool:
    """Whether a site is the options that a process group is made with: those of one backend."""
    return site.kind == "argument" and site.name.endswith("(pg_options)")


def tests_nccl(site: Site) -> bool:
    """Whether a site is NCCL's name in a comparison."""
    return (site.kind == "backend" and site.use == "compare") or (
        site.parent == "Compare" and site.name.endswith("Backend.NCCL")
    )
