"""What a program did on the device: operators, transfers, waits, and what will fall back to CPU there."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from porter.simulate.fallbacks import FALLBACKS

_PORTER = f"{Path(__file__).parent.parent}{os.sep}"
_TORCH = f"{Path(torch.__file__).parent}{os.sep}"
_PACKAGES = f"{Path(torch.__file__).parent.parent}{os.sep}"
_LIBRARIES = (_PACKAGES, _PORTER, f"{sysconfig.get_path('stdlib')}{os.sep}", "<frozen ")
_PRINTING = f"{_TORCH}_tensor_str.py"

Place = tuple[str, int]
"""A line of a program: file and line, 1-based; ("", 0) where no frame of the user's is on the stack."""


@dataclass(frozen=True)
class Operator:
    """How often an operator ran with arguments of these data types."""

    name: str
    dtypes: tuple[str, ...]
    count: int


@dataclass(frozen=True)
class Transfer:
    """Copies between host and device (`h2d`, `d2h`, `d2d`) from one line: how many, and bytes in all."""

    kind: str
    path: str
    line: int
    count: int
    nbytes: int


@dataclass(frozen=True)
class Sync:
    """Waits for the device from one line."""

    kind: str
    path: str
    line: int
    count: int


@dataclass(frozen=True)
class Fallback:
    """An operator that the device hands to CPU, as far as is known."""

    name: str
    count: int
    reason: str
    sources: tuple[str, ...]
    evidence: str


@dataclass(frozen=True)
class TraceSummary:
    """A trace as plain data, most frequent first."""

    operators: list[Operator]
    transfers: list[Transfer]
    syncs: list[Sync]
    fallbacks: list[Fallback]

    def to_dict(self) -> dict[str, Any]:
        """The same, for JSON."""
        return asdict(self)


class Trace:
    """Counts of what ran. `operator` is called for every operator: it costs a dictionary access and no more."""

    def __init__(self) -> None:
        self._operators: Counter[tuple[str, tuple[torch.dtype, ...]]] = Counter()
        self._transfers: dict[tuple[str, Place], list[int]] = {}
        self._syncs: Counter[tuple[str, Place]] = Counter()

    def operator(self, name: str, dtypes: tuple[torch.dtype, ...]) -> None:
        """An operator ran on the device, with tensors of these data types."""
        self._operators[name, dtypes] += 1

    def transfer(self, kind: str, nbytes: int) -> None:
        """A copy of ``nbytes`` bytes: `h2d`, `d2h` or `d2d`."""
        place = ("", 0) if kind == "d2d" else caller()
        tally = self._transfers.setdefault((kind, place), [0, 0])
        tally[0] += 1
        tally[1] += nbytes

    def sync(self, kind: str) -> None:
        """The host waited for the device: `item`, `synchronize`, ...; `item` for the text of a tensor is a `print`."""
        self._syncs["print" if kind == "item" and _printing() else kind, caller()] += 1

    def clear(self) -> None:
        """Forget everything."""
        self._operators.clear()
        self._transfers.clear()
        self._syncs.clear()

    def summary(self) -> TraceSummary:
        """What happened so far."""
        totals: Counter[str] = Counter()
        for (name, _), count in self._operators.items():
            totals[name] += count
        return TraceSummary(
            operators=[
                Operator(name, tuple(str(dtype).removeprefix("torch.") for dtype in dtypes), count)
                for (name, dtypes), count in self._operators.most_common()
            ],
            transfers=sorted(
                (Transfer(kind, *place, *tally) for (kind, place), tally in self._transfers.items()),
                key=lambda transfer: -transfer.count,
            ),
            syncs=[Sync(kind, *place, count) for (kind, place), count in self._syncs.most_common()],
            fallbacks=[
                Fallback(name, count, known.reason, known.sources, known.evidence)
                for name, count in totals.most_common()
                if (known := FALLBACKS.get(name.partition("::")[2].partition(".")[0]))
            ],
        )


def caller() -> Place:
    """The innermost line of the program; if packages alone are on the stack, the innermost of one that is not torch."""
    frame: FrameType | None = sys._getframe(1)
    installed = "", 0
    while frame is not None:
        path = frame.f_code.co_filename
        if not path.startswith(_LIBRARIES):
            return path, frame.f_lineno
        if not installed[1] and path.startswith(_PACKAGES) and not path.startswith((_TORCH, _PORTER)):
            installed = path, frame.f_lineno
        frame = frame.f_back
    return installed


def _printing() -> bool:
    """Whether torch is at work on the text of a tensor."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith((_TORCH, _PORTER)):
        if frame.f_code.co_filename == _PRINTING:
            return True
        frame = frame.f_back
    return False
