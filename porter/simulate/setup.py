"""Registering the simulated device with PyTorch, once for a process."""

from __future__ import annotations

from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from porter.simulate import copies, kernels, module, views
from porter.simulate.settings import Settings
from porter.simulate.simulation import BACKEND, Simulation


def start(settings: Settings) -> Simulation:
    """Register the device and everything about it; raises SimulationError where that is not possible."""
    simulation = Simulation(settings)
    _setup_privateuseone_for_python_backend(BACKEND, backend_module=module.make(simulation))
    for part in (views, copies, kernels):
        part.register(simulation)
    return simulation
