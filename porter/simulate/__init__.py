"""A Neuron device made of CPU memory: ``torch.device("neuron")`` without hardware.

    from porter.simulate import install

    install()
    torch.ones(2, device="neuron")

The device runs PyTorch's own CPU kernels, one operator at a time, and refuses what Neuron is documented to refuse
(`porter.simulate.policies`). It shows what PyTorch would dispatch to the device; it does not show what the vendor's
compiler makes of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from porter.simulate.errors import NeuronError, SimulationError
from porter.simulate.settings import Settings

if TYPE_CHECKING:  # at run time only where something is simulated: PyTorch imports this package whenever it is imported
    from porter.simulate.simulation import Simulation

__all__ = ["NeuronError", "Settings", "SimulationError", "active", "install"]

_installed: list[Simulation] = []


def active() -> Simulation | None:
    """The simulation of this process, if `install` was called."""
    return _installed[0] if _installed else None


def install(settings: Settings | None = None) -> Simulation:
    """Make ``neuron`` a device of this process, for good, and return the simulation.

    Without settings they come from the environment (`Settings.from_environment`). A second call returns the first
    simulation, with the policies switched as its settings say. Raises SimulationError if the device cannot be simulated
    here: PyTorch is too old or too new, the real `torch_neuronx` is there, or what is set once in a process differs.
    """
    if not _installed:
        from porter.simulate import selftest

        selftest.require()  # before the modules that need what it looks for
        from porter.simulate import setup

        _installed.append(setup.start(settings or Settings.from_environment()))
    elif settings is not None:
        _installed[0].change(settings)
    return _installed[0]
