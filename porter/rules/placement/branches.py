"""What the rules for device tests share: whether the code behind a test may run on the target at all."""

from __future__ import annotations

from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context


def blocked_behind(site: Site, ctx: Context) -> Site | None:
    """The first site behind this test that has no equivalent on the target: the test then keeps Neuron out, rightly."""
    for inner in ctx.inside(site.start, site.end):
        row = ctx.catalogue.find(inner.kind, inner.name)
        if row is not None and ctx.answer(row).verdict is Verdict.BLOCKED:
            return inner
        if inner.role == "import" and row is None:
            return inner
    return None
