"""What can go wrong: with the simulator, and with a program on the device that it simulates."""

from __future__ import annotations


class SimulationError(RuntimeError):
    """The simulator cannot work here."""


class NeuronError(RuntimeError):
    """What the device, its runtime or its compiler would refuse.

    ``policy`` is the policy's name (`porter.simulate.policies`), ``source`` the keys of its sources.
    """

    def __init__(self, message: str, *, policy: str, source: str) -> None:
        super().__init__(message)
        self.policy = policy
        self.source = source
