"""What a tensor is, rather than what it holds: views, strides, storages, and growth.

PyTorch's own CPU kernels for these read and write no memory, so they serve tensors of any device as they are, and views
share one storage as they do everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch

from porter.simulate.alias import to_host
from porter.simulate.simulation import Simulation

CPU = torch._C.DispatchKeySet(torch._C.DispatchKey.CPU)
"""Where kernels call on: below autograd, autocast and every mode, as the device's own kernels are."""

_VIEWS = ("view", "as_strided", "_reshape_alias", "unfold", "view_as_real", "view_as_complex")

_ATEN = torch.ops.aten
_set: Callable[..., torch.Tensor] = _ATEN.set_.source_Storage_storage_offset._handle.redispatch_boxed


def rebind(tensor: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
    """Make a device tensor what another one is, memory included; returns it."""
    return _set(
        CPU, tensor, source.untyped_storage(), source.storage_offset(), list(source.shape), list(source.stride())
    )


def register(simulation: Simulation) -> None:
    """Implement views, `set_` and `resize_` for the device."""
    for name in _VIEWS:
        simulation.implement(f"aten::{name}", _view(simulation, f"aten::{name}"))

    def set_storage(
        tensor: torch.Tensor,
        storage: torch.UntypedStorage,
        offset: int | None = None,
        size: Sequence[int] | None = None,
        stride: Sequence[int] = (),
    ) -> torch.Tensor:
        if size is None:
            offset, size, stride = 0, [storage.nbytes() // tensor.element_size()], [1]
        return _set(CPU, tensor, storage, offset, size, stride or contiguous(size))

    def set_nothing(tensor: torch.Tensor) -> torch.Tensor:
        return rebind(tensor, simulation.place(torch.empty(0, dtype=tensor.dtype), tensor.get_device()))

    def resize(tensor: torch.Tensor, size: Sequence[int], memory_format: torch.memory_format | None = None) -> Any:
        args, kwargs = (tensor, size), {} if memory_format is None else {"memory_format": memory_format}
        simulation.policies.check("aten::resize_", _ATEN.resize_.default._schema, [tensor], args, kwargs)
        if list(size) == list(tensor.shape) and memory_format is None:
            return tensor
        wanted = torch.empty(size, dtype=tensor.dtype, device="meta", memory_format=memory_format)
        need = (tensor.storage_offset() + prod(size)) * tensor.element_size()
        storage = tensor.untyped_storage()
        if need > storage.nbytes():
            bigger = simulation.place(torch.empty(need, dtype=torch.uint8), tensor.get_device())
            held = bigger.new_empty(0).set_(storage)
            bigger[: held.numel()].copy_(held)
            storage = bigger.untyped_storage()
        return _set(CPU, tensor, storage, tensor.storage_offset(), list(size), list(wanted.stride()))

    simulation.implement("aten::set_.source_Storage", set_storage)
    simulation.implement("aten::set_.source_Storage_storage_offset", set_storage)
    simulation.implement("aten::set_.source_Tensor", rebind)
    simulation.implement("aten::set_", set_nothing)
    simulation.implement("aten::resize_", resize)


def contiguous(size: Sequence[int]) -> list[int]:
    """The strides of a contiguous tensor of a size, in elements."""
    strides = [1]
    for length in reversed(size[1:]):
        strides.append(strides[-1] * max(length, 1))
    return strides[: len(size)][::-1]


def _view(simulation: Simulation, name: str) -> Callable[..., torch.Tensor]:
    base = name.removeprefix("aten::")
    call = getattr(_ATEN, base).default._handle.redispatch_boxed
    record, policies = simulation.trace.operator, simulation.policies

    def view(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        record(name, (tensor.dtype,))
        result = call(CPU, tensor, *args, **kwargs)
        if result.dtype is not tensor.dtype and result.dtype in policies.kept:
            policies.keep(name, to_host(result))
        return result

    return view
