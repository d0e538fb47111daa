"""A module in the place of `torch_neuronx`, so that libraries which look for the vendor's package find a device.

It has what can be told about the simulated device, and nothing of the compiler: no NKI, no profiler.
"""

from __future__ import annotations

import sys
from collections import Counter
from importlib.machinery import ModuleSpec
from types import ModuleType

from porter.simulate.settings import VENDOR
from porter.simulate.simulation import Simulation
from porter.simulate.streams import Event, Stream, StreamContext

VERSION = "0+simulated.by.porter"


def register(simulation: Simulation) -> None:
    """Put the module where `import torch_neuronx` finds it."""
    trace = simulation.trace

    def get_executed_ops() -> dict[str, int]:
        """How often each operator ran, by name."""
        counts: Counter[str] = Counter()
        for operator in trace.summary().operators:
            counts[operator.name] += operator.count
        return dict(counts)

    def get_fallback_ops() -> dict[str, int]:
        """How often operators ran that Neuron would hand to CPU, by name, as far as its sources say."""
        return {fallback.name: fallback.count for fallback in trace.summary().fallbacks}

    module = ModuleType(VENDOR, __doc__)
    module.__spec__ = ModuleSpec(VENDOR, None)
    module.__dict__.update(
        __version__=VERSION,
        Stream=Stream,
        Event=Event,
        StreamContext=StreamContext,
        get_executed_ops=get_executed_ops,
        get_fallback_ops=get_fallback_ops,
        clear_op_tracking=trace.clear,
    )
    sys.modules[VENDOR] = module
