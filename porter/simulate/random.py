"""Random numbers: drawn by CPU's generator, as Neuron's random operators fall back to CPU and consume its state.

The device's own state is 16 bytes of Philox, seed and offset. It is kept, so that programs run which seed or save it;
nothing here draws from it.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch

from porter.simulate.classes import answering
from porter.simulate.runtime import Runtime
from porter.simulate.simulation import BACKEND, Simulation

_PHILOX = struct.Struct("<QQ")
_FIRST_SEED = 67280421310721  # PyTorch's default


class Random:
    """The random state of each device."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._states: defaultdict[int, tuple[int, int]] = defaultdict(lambda: (_FIRST_SEED, 0))

    def _index(self, device: Any) -> int:
        """The index of a device; unlike the runtime's, it does not start anything: seeding comes first in programs."""
        index = torch.device(device).index if isinstance(device, (str, torch.device)) else device
        return self._runtime.current() if index is None else int(index)

    def manual_seed(self, seed: int) -> None:
        """Seed the current device."""
        self._states[self._runtime.current()] = int(seed) % 2**64, 0

    def manual_seed_all(self, seed: int) -> None:
        """Seed every device."""
        for index in range(self._runtime.count()):
            self._states[index] = int(seed) % 2**64, 0

    def seed(self) -> None:
        """Seed the current device with a number that nobody knows."""
        self.manual_seed(torch.Generator().seed())

    def seed_all(self) -> None:
        """Seed every device with a number that nobody knows."""
        self.manual_seed_all(torch.Generator().seed())

    def initial_seed(self) -> int:
        """The seed of the current device."""
        return self._states[self._runtime.current()][0]

    def get_rng_state(self, device: Any = BACKEND) -> torch.Tensor:
        """The state of a device: 16 bytes on CPU."""
        return torch.tensor(list(_PHILOX.pack(*self._states[self._index(device)])), dtype=torch.uint8, device="cpu")

    def set_rng_state(self, new_state: torch.Tensor, device: Any = BACKEND) -> None:
        """Set the state of a device; raises RuntimeError for another one's, such as CUDA's or CPU's."""
        if new_state.dtype is not torch.uint8 or new_state.numel() != _PHILOX.size:
            raise RuntimeError(f"RNG state is wrong size: a Neuron state has {_PHILOX.size} bytes")
        self._states[self._index(device)] = _PHILOX.unpack(bytes(new_state.tolist()))

    def get_rng_state_all(self) -> list[torch.Tensor]:
        """The states of every device."""
        return [self.get_rng_state(index) for index in range(self._runtime.count())]

    def set_rng_state_all(self, new_states: Sequence[torch.Tensor]) -> None:
        """Set the states of every device."""
        for index, state in enumerate(new_states):
            self.set_rng_state(state, index)


def register(simulation: Simulation) -> None:
    """Let `torch.Generator` answer for the device: by refusing, or with the policy off by CPU's generator."""
    original = torch.Generator

    def make(device: Any = "cpu") -> torch.Generator | None:
        if torch.device(device).type != BACKEND:
            return None
        simulation.policies.refuse("generator", device=device)
        return original("cpu")

    torch.Generator = answering(original, make)
