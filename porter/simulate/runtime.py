"""The runtime of the simulated device: which process holds it, which cores it sees, which one is current."""

from __future__ import annotations

import os
import threading
from typing import Any

import torch

from porter.simulate.errors import SimulationError
from porter.simulate.memory import Memory
from porter.simulate.policies import Policies

VISIBLE_CORES = "NEURON_RT_VISIBLE_CORES"
NUM_CORES = "NEURON_RT_NUM_CORES"


class Runtime:
    """The state of the device in this process.

    Like the vendor's, it comes to life with the first use of the device. From then on it belongs to this process: in a
    forked one it cannot be used (policy ``fork``), and a process group cannot be made (policy ``init_order``).
    """

    live: bool
    """Whether the runtime is initialised in this very process. Kernels test it and call `initialise` if it is not."""
    rank: int | None
    """LOCAL_RANK as far as the process belongs to a process group on the device."""

    def __init__(self, cores: int, policies: Policies) -> None:
        self.policies = policies
        self.memory = Memory()
        self.live = False
        self.forked = False
        self.rank = None
        self._cores = visible_cores(cores)
        self._thread = threading.local()
        os.register_at_fork(after_in_child=self._after_fork)

    def _after_fork(self) -> None:
        self.forked = self.live
        self.live = False

    def initialise(self) -> None:
        """Start the runtime if it is not live; raises NeuronError in a forked process whose parent had done so."""
        if self.forked:
            self.policies.refuse("fork")
        self.live = True

    def count(self) -> int:
        """The number of devices: logical cores visible to the process, or the processes on this node in a group."""
        return self._cores

    def join(self, rank: int, size: int) -> None:
        """Belong to a process group as number ``rank`` of ``size`` processes on this node, each with one core.

        Raises NeuronError if the runtime is initialised already.
        """
        if self.live:
            self.policies.refuse("init_order")
        self.rank, self._cores = rank, size

    def current(self) -> int:
        """The index of this thread's current device."""
        return int(getattr(self._thread, "index", self.rank or 0))

    def select(self, device: Any) -> int:
        """Make a device current in this thread (negative: do nothing) and return the index of the one before."""
        before = self.current()
        if not (isinstance(device, int) and device < 0):
            self._thread.index = self.index(device)
        return before

    def index(self, device: Any = None) -> int:
        """The index of a device given as torch.device, string, index or None for the current one; starts the runtime.

        Raises NeuronError if this process has no such device, ValueError if it is another device altogether.
        """
        if not self.live:
            self.initialise()
        if isinstance(device, str):
            device = torch.device(device)
        if isinstance(device, torch.device):
            if device.type != "neuron":
                raise ValueError(f"Expected a neuron device, but got: {device}")
            device = device.index
        if device is None or (device == 0 and self.rank):  # PyTorch fills in 0 where a program gives no index
            return self.current()
        first, last = (0, self._cores - 1) if self.rank is None else (self.rank, self.rank)
        if not first <= device <= last:
            self.policies.refuse("device_index", index=device, first=first, last=last)
        return int(device)


def visible_cores(cores: int) -> int:
    """How many of a machine's cores the process may see, by NEURON_RT_VISIBLE_CORES (`0-3`, `0,2`) or _NUM_CORES.

    Raises SimulationError for what cannot be read.
    """
    visible, number = os.environ.get(VISIBLE_CORES), os.environ.get(NUM_CORES)
    try:
        if visible:
            ranges = [[int(end) for end in part.split("-")] for part in visible.split(",")]
            return sum(ends[-1] - ends[0] + 1 for ends in ranges)
        return min(cores, int(number or cores))
    except ValueError as error:
        said = f"{VISIBLE_CORES} is a list of cores such as 0-3, not" if visible else f"{NUM_CORES} is a number, not"
        raise SimulationError(f"{said} {visible or number!r}") from error
