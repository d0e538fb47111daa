"""`torch.neuron`: the names that the vendor's package puts there, and no others."""

from __future__ import annotations

from types import ModuleType

from porter.simulate.simulation import Simulation


def make(simulation: Simulation) -> ModuleType:
    """The module for a simulation."""
    module = ModuleType("torch.neuron", __doc__)
    runtime = simulation.runtime
    module.__dict__.update(
        is_available=lambda: True,
        is_initialized=lambda: runtime.live,
        device_count=runtime.count,
        current_device=runtime.current,
        set_device=runtime.select,
        synchronize=lambda device=None: simulation.trace.sync("synchronize"),
        manual_seed=lambda seed: None,
        manual_seed_all=lambda seed: None,
        get_amp_supported_dtype=lambda: [],
        _is_in_bad_fork=lambda: runtime.forked,
    )
    return module
