"""`torch.neuron`: the names that the vendor's package puts there (facts of its source, April 2026), and no others.

Code that asks for more fails here with AttributeError, as it would there: there is no mem_get_info, no
get_device_capability, no amp namespace, no typed tensors, no StreamContext, no OutOfMemoryError, no graphs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from types import ModuleType, TracebackType
from typing import Any

import torch

from porter.simulate.memory import Tally
from porter.simulate.random import Random
from porter.simulate.simulation import Simulation
from porter.simulate.streams import Event, Stream, StreamContext, Streams

CHIP = "trn2"
CORE_MEMORY = 24 << 30  # bytes; 96 GiB of a Trainium2 chip, shared by four logical cores


@dataclass(frozen=True)
class DeviceProperties:
    """What `get_device_properties` tells: the chip, and bytes of memory."""

    name: str
    total_memory: int


def make(simulation: Simulation, streams: Streams, random: Random) -> ModuleType:
    """The module for a simulation."""
    module = ModuleType("torch.neuron", __doc__)
    for group in (_device(simulation), _streams(streams), _random(random), _memory(simulation)):
        module.__dict__.update(group)
    return module


def _device(simulation: Simulation) -> dict[str, Any]:
    runtime, trace = simulation.runtime, simulation.trace

    class device:
        """Makes a device current for a while."""

        def __init__(self, device: Any) -> None:
            self.device = device

        def __enter__(self) -> None:
            self._before = runtime.current() if self.device is None else runtime.select(self.device)

        def __exit__(
            self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
        ) -> None:
            runtime.select(self._before)

    def set_device(device: Any) -> None:
        runtime.select(device)

    def synchronize(device: Any = None) -> None:
        runtime.index(device)
        trace.sync("synchronize")

    def get_device_name(device: Any = None) -> str:
        return f"neuron:{runtime.index(device)}"

    def get_device_properties(device: Any = None) -> DeviceProperties:
        runtime.index(device)
        return DeviceProperties(CHIP, CORE_MEMORY)

    return {
        "is_available": lambda: True,
        "device_count": runtime.count,
        "current_device": runtime.current,
        "set_device": set_device,
        "device": device,
        "init": runtime.initialise,
        "is_initialized": lambda: runtime.live,
        "synchronize": synchronize,
        "get_device_name": get_device_name,
        "get_device_properties": get_device_properties,
        "is_bf16_supported": lambda: True,
        "get_amp_supported_dtype": lambda: [torch.float32, torch.float16, torch.bfloat16],
        "get_dynamo_metrics": lambda: {},
        "reset_dynamo_metrics": lambda: None,
        "_sleep": lambda cycles: None,
        "_is_in_bad_fork": lambda: runtime.forked,
    }


def _streams(streams: Streams) -> dict[str, Any]:
    """Functions, not classes, for Stream and Event: so it is in the vendor's package, and isinstance fails there."""

    def make_stream(**options: Any) -> Stream:
        return Stream(**options)

    def make_event(enable_timing: bool = False, blocking: bool = False) -> Event:
        return Event(enable_timing, blocking)

    def of(stream: torch.Stream | None) -> Any:
        return stream or streams.current()

    return {
        "Stream": make_stream,
        "Event": make_event,
        "stream": StreamContext,
        "current_stream": streams.current,
        "default_stream": streams.default,
        "set_stream": streams.select,
        "wait_stream": lambda other, stream=None: of(stream).wait_stream(other),
        "wait_event": lambda event, stream=None: of(stream).wait_event(event),
        "record_event": lambda event=None, stream=None: of(stream).record_event(event),
        "query": lambda stream=None: of(stream).query(),
    }


def _random(random: Random) -> dict[str, Any]:
    names = (
        "manual_seed manual_seed_all seed seed_all initial_seed get_rng_state set_rng_state get_rng_state_all "
        "set_rng_state_all"
    )
    return {name: getattr(random, name) for name in names.split()}


def _memory(simulation: Simulation) -> dict[str, Any]:
    runtime = simulation.runtime

    def tally(device: Any = None) -> Tally:
        return runtime.memory.tallies[runtime.index(device)]

    def read(kind: str, which: str) -> Callable[..., int]:
        def number(device: Any = None) -> int:
            return int(getattr(getattr(tally(device), kind), which))

        return number

    def memory_stats(device: Any = None) -> dict[str, dict[str, int]]:
        return {name: asdict(count) for name, count in tally(device).counts().items()}

    def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
        return json.dumps(memory_stats(device), indent=2)

    def empty_cache() -> None:
        for each in runtime.memory.tallies.values():
            each.trim()

    def reset_peak(device: Any = None) -> None:
        for count in tally(device).counts().values():
            count.peak = count.current

    def reset_accumulated(device: Any = None) -> None:
        for count in tally(device).counts().values():
            count.allocated = count.freed = 0

    return {
        "memory_stats": memory_stats,
        "memory_allocated": read("allocated", "current"),
        "max_memory_allocated": read("allocated", "peak"),
        "memory_reserved": read("reserved", "current"),
        "max_memory_reserved": read("reserved", "peak"),
        "memory_summary": memory_summary,
        "reset_peak_memory_stats": reset_peak,
        "reset_accumulated_memory_stats": reset_accumulated,
        "empty_cache": empty_cache,
    }
