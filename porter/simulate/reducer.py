"""What DistributedDataParallel asks of a device in C++, where Python cannot answer.

To share which parameters went unused, its reducer copies a tensor to pinned host memory (`empty_strided`). A Python
backend has no allocator to offer for that. So from the first reducer on the device on, that operator of CPU is a kernel
that takes all memory for pinned, as `storages.py` does. It costs microseconds a call: other programs never get it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import wraps
from typing import Any

import torch
import torch.distributed as dist

from porter.simulate.simulation import BACKEND, Simulation
from porter.simulate.views import CPU

_empty = torch.ops.aten.empty.memory_format._handle.redispatch_boxed


def register(simulation: Simulation) -> None:
    """Let `torch.distributed.Reducer` find unused parameters on the device."""
    make: Any = dist.Reducer
    provided = False

    @wraps(make)
    def reducer(parameters: Sequence[torch.Tensor], *args: Any, **kwargs: Any) -> Any:
        nonlocal provided
        if not provided and any(parameter.device.type == BACKEND for parameter in parameters):
            simulation.implement("aten::empty_strided", _empty_strided, "CPU")
            provided = True
        return make(parameters, *args, **kwargs)

    dist.Reducer = reducer


def _empty_strided(
    size: Sequence[int], stride: Sequence[int], *, pin_memory: bool | None = None, **kwargs: Any
) -> torch.Tensor:
    length = 0 if 0 in size else 1 + sum((extent - 1) * step for extent, step in zip(size, stride, strict=True))
    memory: torch.Tensor = _empty(CPU, [length], **kwargs)
    return memory.as_strided(size, stride)
