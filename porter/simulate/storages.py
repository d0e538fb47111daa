"""Storages of the device, and host memory that is pinned."""

from __future__ import annotations

import weakref
from typing import Any

import torch

from porter.simulate.simulation import BACKEND, Simulation

_KEPT: weakref.WeakKeyDictionary[torch.UntypedStorage, int] = weakref.WeakKeyDictionary()
"""Bytes of storages that were resized to less than they have."""


def register(simulation: Simulation) -> None:
    """Let `torch.UntypedStorage` make and resize storages of the device; treat all host memory as pinned.

    A storage cannot be made bigger than it once was: PyTorch keeps an allocator for that, which Python cannot provide.
    That host memory counts as pinned is what the vendor's allocator does (T-ALLOC).
    """
    cls: Any = torch.UntypedStorage
    new, resize, nbytes = cls.__new__, cls.resize_, cls.nbytes

    def make(kind: type, *args: Any, device: Any = None, **kwargs: Any) -> Any:
        if device is None or torch.device(device).type != BACKEND:
            return new(kind, *args, **kwargs) if device is None else new(kind, *args, device=device, **kwargs)
        size = args[0] if args else kwargs.get("size", 0)
        values = (
            torch.empty(size, dtype=torch.uint8) if isinstance(size, int) else torch.tensor(size, dtype=torch.uint8)
        )
        return simulation.place(values, simulation.runtime.index(device)).untyped_storage()

    def size(storage: torch.UntypedStorage) -> Any:  # int; symbolic where PyTorch captures a graph
        return _KEPT[storage] if storage in _KEPT else nbytes(storage)

    def resized(storage: torch.UntypedStorage, wanted: int) -> torch.UntypedStorage:
        if storage.device.type != BACKEND:
            return resize(storage, wanted)
        if wanted > nbytes(storage):
            raise NotImplementedError("the simulated device cannot make a storage bigger: resize the tensor instead")
        _KEPT[storage] = wanted
        simulation.runtime.memory.resize(storage, wanted)
        return storage

    cls.__new__, cls.resize_, cls.nbytes, cls.size = make, resized, size, size

    def pin(tensor: torch.Tensor, device: Any = None) -> torch.Tensor:
        return tensor

    def refuse_pin(tensor: torch.Tensor, device: Any = None) -> torch.Tensor:
        raise RuntimeError(f"cannot pin '{tensor.type()}' only dense CPU tensors can be pinned")

    simulation.implement("aten::is_pinned", lambda tensor, device=None: True, "CPU")
    simulation.implement("aten::_pin_memory", pin, "CPU")
    simulation.implement("aten::is_pinned", lambda tensor, device=None: False)
    simulation.implement("aten::_pin_memory", refuse_pin)
