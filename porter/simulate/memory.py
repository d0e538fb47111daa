"""How much memory each device holds: bytes of the storages that tensors keep alive."""

from __future__ import annotations

import weakref
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import torch

GRAIN = 512  # bytes: what the size of an allocation is rounded up to
SEGMENT = 2 << 20  # bytes: what the allocator asks the device for at a time

_nbytes = torch.UntypedStorage.nbytes  # before `storages` replaces it


@dataclass(slots=True)
class Count:
    """Bytes: now, at most so far, and given out and taken back in all."""

    current: int = 0
    peak: int = 0
    allocated: int = 0
    freed: int = 0

    def grow(self, nbytes: int) -> None:
        """Give out more."""
        self.allocated += nbytes
        self.current += nbytes
        if self.current > self.peak:
            self.peak = self.current

    def shrink(self, nbytes: int) -> None:
        """Take some back."""
        self.freed += nbytes
        self.current -= nbytes


@dataclass(slots=True)
class Tally:
    """What one device holds: in tensors, and in the segments that these are cut from."""

    allocated: Count = field(default_factory=Count)
    reserved: Count = field(default_factory=Count)

    def grow(self, nbytes: int) -> None:
        """Give memory to a tensor, from a new segment if there is none left."""
        self.allocated.grow(nbytes)
        if (missing := self.allocated.current - self.reserved.current) > 0:
            self.reserved.grow(-(-missing // SEGMENT) * SEGMENT)

    def trim(self) -> None:
        """Give back the segments that no tensor needs."""
        self.reserved.shrink(self.reserved.current - -(-self.allocated.current // SEGMENT) * SEGMENT)

    def counts(self) -> dict[str, Count]:
        """The counts by name; what is allocated is active, as no work is ever outstanding."""
        return {"allocated_bytes": self.allocated, "reserved_bytes": self.reserved, "active_bytes": self.allocated}


class Memory:
    """The tallies by device index. `hold` runs for every result of every operator."""

    def __init__(self) -> None:
        self.tallies: defaultdict[int, Tally] = defaultdict(Tally)
        self._held: dict[weakref.ref[Any], tuple[Tally, int]] = {}
        self._on_free = self._free  # bound once

    def hold(self, tensor: torch.Tensor, index: int) -> None:
        """Count a new tensor's storage until it is freed."""
        storage = tensor.untyped_storage()
        if nbytes := _rounded(_nbytes(storage)):
            tally = self.tallies[index]
            tally.grow(nbytes)
            self._held[weakref.ref(storage, self._on_free)] = tally, nbytes

    def resize(self, storage: torch.UntypedStorage, nbytes: int) -> None:
        """Count another size for a storage."""
        reference = weakref.ref(storage)  # equal to the one that is held, as both refer to the same storage
        if held := self._held.get(reference):
            tally, before = held
            tally.allocated.shrink(before)
            tally.grow(_rounded(nbytes))
            self._held[reference] = tally, _rounded(nbytes)

    def _free(self, reference: weakref.ref[Any]) -> None:
        tally, nbytes = self._held.pop(reference)
        tally.allocated.shrink(nbytes)


def _rounded(nbytes: int) -> int:
    return -(-nbytes // GRAIN) * GRAIN
