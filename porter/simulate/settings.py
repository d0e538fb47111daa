"""What a simulation is told: how many cores, which policies, which rounding. Child processes get it by environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from porter.simulate.errors import SimulationError

VENDOR = "torch_neuronx"  # the package of the real device

SWITCH = "PORTER_SIMULATE"
_CORES = f"{SWITCH}_CORES"
_POLICIES = f"{SWITCH}_POLICIES"
_AUTO_CAST = f"{SWITCH}_AUTO_CAST"


@dataclass(frozen=True)
class Settings:
    """How to simulate.

    ``cores`` is the number of logical NeuronCores of the machine, ``policies`` the modes that differ from the default,
    by the policy's name, and ``auto_cast`` what the compiler rounds to bfloat16: `none`, or the operands of `matmult`.
    """

    cores: int = 2
    policies: Mapping[str, str] = field(default_factory=dict)
    auto_cast: str = "none"

    def __post_init__(self) -> None:
        if self.cores < 1:
            raise SimulationError(f"a simulated machine has at least one core, not {self.cores}")

    def environment(self) -> dict[str, str]:
        """Variables that make a child process simulate the same device as soon as it imports torch."""
        policies = ",".join(f"{name}={mode}" for name, mode in sorted(self.policies.items()))
        return {SWITCH: "1", _CORES: str(self.cores), _POLICIES: policies, _AUTO_CAST: self.auto_cast}

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """The settings that `environment` wrote; raises SimulationError for a variable that cannot be read."""
        cores, policies = environ.get(_CORES) or "2", environ.get(_POLICIES) or ""
        if not cores.isdecimal():
            raise SimulationError(f"{_CORES} is a number of cores, not {cores!r}")
        pairs = [pair.partition("=") for pair in policies.split(",") if pair]
        if wrong := [name for name, _, mode in pairs if not mode]:
            raise SimulationError(f"{_POLICIES} is a list of policy=mode, and {wrong[0]!r} has no mode")
        modes = {name.strip(): mode.strip() for name, _, mode in pairs}
        return cls(int(cores), modes, environ.get(_AUTO_CAST) or "none")


def requested(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the environment asks for the simulated device."""
    return environ.get(SWITCH, "") not in ("", "0")
