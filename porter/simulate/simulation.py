"""The simulation of one process: its settings, state, and everything registered with PyTorch's dispatcher."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from porter.simulate.alias import to_device
from porter.simulate.errors import SimulationError
from porter.simulate.policies import Policies
from porter.simulate.runtime import Runtime
from porter.simulate.settings import Settings
from porter.simulate.trace import Trace

BACKEND = "neuron"
KEY = "PrivateUse1"


class Simulation:
    """What is simulated, and how: `porter.simulate.install` makes the only one of a process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.policies = Policies(settings.policies, auto_cast=settings.auto_cast)
        self.trace = Trace()
        self.runtime = Runtime(settings.cores, self.policies)
        self.implemented: set[str] = set()
        self._libraries: dict[str, torch.library.Library] = {}

    def implement(self, name: str, function: Callable[..., Any], key: str = KEY) -> None:
        """Register a kernel for an operator (``aten::mm``, ``aten::add.Tensor``), by default the device's."""
        namespace, _, operator = name.partition("::")
        self.library(namespace).impl(operator, function, key)
        if key == KEY:
            self.implemented.add(name)

    def library(self, namespace: str) -> torch.library.Library:
        """Where kernels of a namespace are registered; they stay as long as the simulation."""
        if namespace not in self._libraries:
            self._libraries[namespace] = torch.library.Library(namespace, "IMPL")
        return self._libraries[namespace]

    def place(self, host: torch.Tensor, index: int) -> torch.Tensor:
        """Put what was computed on CPU on a device: the same memory, counted as the device's."""
        tensor = to_device(host, index)
        self.runtime.memory.hold(tensor, index)
        return tensor

    def forget(self) -> None:
        """Be as if nothing had run on the device yet."""
        self.runtime.live = False
        self.runtime.memory.tallies.clear()
        self.trace.clear()

    def change(self, settings: Settings) -> None:
        """Switch the policies as other settings say; raises SimulationError if they differ in what cannot change."""
        if (settings.cores, settings.auto_cast) != (self.settings.cores, self.settings.auto_cast):
            raise SimulationError(
                f"the device is installed with cores={self.settings.cores} and auto_cast={self.settings.auto_cast!r}: "
                "these are set once in a process"
            )
        self.policies.set(**settings.policies)
