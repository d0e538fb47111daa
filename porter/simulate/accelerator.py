"""`torch.accelerator` for the device.

PyTorch's own functions check their arguments and then call hooks, which Python backends cannot provide yet. So the
hooks are replaced: one layer below what programs import.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch

from porter.simulate.runtime import Runtime
from porter.simulate.streams import Streams

CAPABLE = (
    "float32 float16 bfloat16 float8_e5m2 int8 int16 int32 int64 uint8 bool".split()  # noqa: SIM905 - a list of words
)


def register(runtime: Runtime, streams: Streams, module: ModuleType) -> None:
    """Replace the hooks behind `torch.accelerator` by the functions of `torch.neuron`."""

    def exchange(index: int) -> int:
        return runtime.select(index)

    def set_index(index: int) -> None:
        runtime.select(index)

    def statistics(index: int) -> dict[str, Any]:
        return {name: {"all": values} for name, values in module.memory_stats(index).items()}

    def memory_info(index: int) -> tuple[int, int]:
        total = module.get_device_properties(index).total_memory
        return total - module.memory_reserved(index), total

    hooks = {
        "getDeviceIndex": runtime.current,
        "setDeviceIndex": set_index,
        "exchangeDevice": exchange,
        "maybeExchangeDevice": exchange,
        "getStream": streams.current,
        "setStream": streams.select,
        "synchronizeDevice": module.synchronize,
        "getDeviceCapability": lambda index: {"supported_dtypes": {getattr(torch, name) for name in CAPABLE}},
        "isAllocatorInitialized": lambda: runtime.live,
        "emptyCache": module.empty_cache,
        "emptyHostCache": lambda: None,
        "getDeviceStats": statistics,
        "getMemoryInfo": memory_info,
        "resetAccumulatedStats": module.reset_accumulated_memory_stats,
        "resetPeakStats": module.reset_peak_memory_stats,
    }
    for name, function in hooks.items():
        setattr(torch._C, f"_accelerator_{name}", function)
