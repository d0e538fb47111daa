"""States of random number generators: where what takes them stays behind a test, what puts them back stays as well.

A snapshot that is taken of CUDA alone is `None` on Neuron, and no state to set there.
"""

from __future__ import annotations

import re

from porter.rules.around.keeper import stays
from porter.rules.base import Context, Judgement
from porter.rules.policy import by_hand
from porter.rules.tested import OPENED, Tests, is_test

_STATES = re.compile(r"^torch\.cuda\.(?:random\.)?(?P<way>[gs])et_rng_state(?:_all)?$")


def states(results: list[Judgement], ctx: Context) -> list[Judgement]:
    """Take back what sets a state, and the test before it, where what takes one behind a test stays; and vice versa."""
    ways = {r.site: found["way"] for r in results if (found := _STATES.match(r.site.name)) is not None}
    kept = next((r.site for r in results if r.site in ways and stays(r) and _guarded(r)), None)
    if kept is None:
        return results
    apart = {r.site for r in results if r.edited and ways.get(r.site, ways[kept]) != ways[kept]}
    tests = Tests((r.site for r in results if r.edited and is_test(r)), ctx)
    held = apart.union(*map(tests.opening, apart))
    why = f"line {kept.line} {'takes' if ways[kept] == 'g' else 'sets'} the state, and stays: port both together"
    return [by_hand(r, why) if r.site in held else r for r in results]


def _guarded(result: Judgement) -> bool:
    """Whether a use runs only where a test of the device holds."""
    return any(guard.kind in OPENED for guard in result.site.guards)
