"""Registering the simulated device with PyTorch, once for a process."""

from __future__ import annotations

from typing import Any

import torch.utils.backend_registration

from porter.simulate import (
    accelerator,
    attention,
    autocast,
    autograd,
    collectives,
    compile,
    copies,
    kernels,
    module,
    random,
    reducer,
    selftest,
    standin,
    storages,
    streams,
    substitutes,
    views,
)
from porter.simulate.settings import Settings
from porter.simulate.simulation import BACKEND, Simulation


def start(settings: Settings) -> Simulation:
    """Register the device and everything about it; raises SimulationError if it does not work then."""
    simulation = Simulation(settings)
    runtime = simulation.runtime
    queues = streams.Streams(runtime)
    namespace = module.make(simulation, queues, random.Random(runtime))
    setup: Any = torch.utils.backend_registration
    setup._setup_privateuseone_for_python_backend(BACKEND, backend_module=namespace)
    accelerator.register(runtime, queues, namespace)
    autograd.register()
    streams.register()
    compile.register(simulation)
    for part in (
        random,
        storages,
        views,
        copies,
        substitutes,
        attention,
        autocast,
        kernels,
        standin,
        collectives,
        reducer,
    ):
        part.register(simulation)
    selftest.check()
    simulation.forget()
    return simulation
