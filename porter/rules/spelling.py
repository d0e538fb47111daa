"""How the target writes a device where CUDA's stands: a literal, or a name that the file defines."""

from __future__ import annotations

from porter.index.site import Site
from porter.rules.base import Context, named, needing


def device_type(site: Site, ctx: Context) -> str:
    """The target's device type as an expression, a string, that may stand at the site."""
    if not ctx.target.device:
        return named("DEVICE")
    from porter.rewrite.calls import quote

    return quote(ctx.source.text, site, ctx.target.device) + needing(ctx.target.module)
