"""Functions that are CUDA's own by their name, and who calls them: `swap_weights_cuda` beside `swap_weights`."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from porter.index.site import Site
from porter.rules.base import Context
from porter.rules.kernels.known import is_own_kernel


def called_behind(tests: Iterable[Site], leads: Callable[[Site, Site], bool], ctx: Context) -> dict[str, int]:
    """The file's functions for CUDA, each with the line of a test that ``leads`` to all calls of it."""
    calls: dict[str, list[Site]] = {}
    for site in ctx.sites:
        if site.name.startswith(f"{ctx.module}.") and is_own_kernel(site, ctx):
            calls.setdefault(site.name[len(ctx.module) + 1 :], []).append(site)
    return {name: test.line for name, found in calls.items() for test in tests if all(leads(test, s) for s in found)}
