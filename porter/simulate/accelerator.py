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

CAPABLE = frozenset(
    {torch.float32, torch.float16, torch.bfloat16, torch.float8_e5m2, torch.bool}
    | {torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64}
)
"""Data types that the device keeps as they are (SDK-DT)."""


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
        "getDeviceCapability": lambda index: {"supported_dtypes": set(CAPABLE)},
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
