"""What a verification says: plain data, for every report."""

from __future__ import annotations

from enum import Enum
from typing import Any

import msgspec


class Verdict(str, Enum):
    """A thing that was not run is UNVERIFIED, never PASS."""

    PASS = "PASS"
    FAIL = "FAIL"
    UNVERIFIED = "UNVERIFIED"

    def __str__(self) -> str:
        return self.value


class Measure(msgspec.Struct, frozen=True, omit_defaults=True):
    """One tensor, or one series of losses, of the port against the oracle's.

    ``maximum`` is the largest difference in relation to the scale that ``kind`` is measured by (`compare`), ``cosine``
    is 1 - cos of the angle between the two. Each must not exceed its limit.
    """

    kind: str  # state, loss, output, gradient, update
    name: str
    passed: bool
    maximum: float | None = None
    limit: float | None = None
    cosine: float | None = None
    cosine_limit: float | None = None
    note: str = ""


class Oracle(msgspec.Struct, frozen=True):
    """Where the numbers come from that the port is measured by."""

    place: str  # the device and versions that it was computed with
    reused: bool  # frozen by an earlier run
    cuda_on_cpu: bool  # the original's CUDA calls were mapped to the CPU
    folder: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One case on one backend."""

    suite: str
    case: str
    backend: str
    verdict: Verdict
    reason: str = ""  # why it is not PASS
    detail: str = ""  # a traceback, or what the process said last
    place: str = ""  # what the port ran on, with versions
    oracle: Oracle | None = None
    seconds: float = 0.0
    precision: str = "float32"
    measures: tuple[Measure, ...] = ()
    losses: dict[str, tuple[list[float], list[float]]] = {}  # by name: of the oracle, of the port
    first_divergence: str = ""  # with --per-layer: where the two part
    warnings: tuple[str, ...] = ()
    counters: dict[str, Any] = {}

    def worst(self, kind: str) -> float | None:
        """The largest difference of a kind; None where nothing of it was compared."""
        found = [m.maximum for m in self.measures if m.kind == kind and m.maximum is not None]
        return max(found, default=None)

    @property
    def ran(self) -> bool:
        """Whether the port was run and judged."""
        return self.verdict is not Verdict.UNVERIFIED
