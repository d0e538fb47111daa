"""How much memory each device holds: bytes of the storages that tensors keep alive."""

from __future__ import annotations

import weakref
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import torch

GRAIN = 512  # bytes; what an allocation is rounded up to, as in PyTorch's caching allocators


@dataclass
class Tally:
    """Bytes of one device: held now, at most so far, and given out and taken back in all."""

    current: int = 0
    peak: int = 0
    allocated: int = 0
    freed: int = 0

    def as_dict(self) -> dict[str, int]:
        """The four numbers by name, as in the vendor's nested statistics."""
        return {"current": self.current, "peak": self.peak, "allocated": self.allocated, "freed": self.freed}


class Memory:
    """The tallies by device index. `hold` runs for every result of every operator."""

    def __init__(self) -> None:
        self.tallies: defaultdict[int, Tally] = defaultdict(Tally)
        self._held: dict[weakref.ref[Any], tuple[Tally, int]] = {}

    def hold(self, tensor: torch.Tensor, index: int) -> None:
        """Count a new tensor's storage until it is freed."""
        storage = tensor.untyped_storage()
        nbytes = storage.nbytes()
        if not nbytes:
            return
        nbytes = -(-nbytes // GRAIN) * GRAIN
        tally = self.tallies[index]
        tally.allocated += nbytes
        tally.current += nbytes
        if tally.current > tally.peak:
            tally.peak = tally.current
        self._held[weakref.ref(storage, self._free)] = tally, nbytes

    def _free(self, reference: weakref.ref[Any]) -> None:
        tally, nbytes = self._held.pop(reference)
        tally.freed += nbytes
        tally.current -= nbytes
