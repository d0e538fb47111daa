"""Runs without the garbage collector: it would look through all that is live again and again, and find nothing to free.

What a run builds has no cycles, or takes them apart when it is done (`porter.index.scope.Binder.dissolve`).
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Do without the collector in the block; afterwards it is as it was. A decorator, too."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
