"""Copies between host and device, and what reads a device tensor on the host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from porter.simulate.alias import to_host
from porter.simulate.simulation import BACKEND, KEY, Simulation
from porter.simulate.views import CPU

_ATEN = torch.ops.aten
_COMPOSITE = torch._C.DispatchKey.CompositeImplicitAutograd
_schema: Any = _ATEN._to_copy.default._schema
_to_copy: Callable[..., torch.Tensor] = _ATEN._to_copy.default._handle.redispatch_boxed


def register(simulation: Simulation) -> None:
    """Implement `copy_`, `to`, `item`, `equal` and the like for the device."""
    _register_copies(simulation)
    _register_targets(simulation)


def _register_targets(simulation: Simulation) -> None:
    """Let ``.to("neuron")`` mean the current core.

    PyTorch would ask the device's guard for it, and that of a Python backend answers 0. So both overloads of `to` that
    name a device are told the core before PyTorch takes them apart as usual.
    """
    runtime = simulation.runtime

    def resolved(device: Any) -> Any:
        unnamed = device is not None and device.type == BACKEND and device.index is None
        return torch.device(BACKEND, runtime.current()) if unnamed else device

    by_device, by_options = _ATEN.to.device, _ATEN.to.dtype_layout

    def to_device(tensor: torch.Tensor, device: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        result: torch.Tensor = by_device._op_dk(_COMPOSITE, tensor, resolved(device), *args, **kwargs)
        return result

    def to_options(tensor: torch.Tensor, *, device: Any = None, **kwargs: Any) -> torch.Tensor:
        result: torch.Tensor = by_options._op_dk(_COMPOSITE, tensor, device=resolved(device), **kwargs)
        return result

    for key in ("CPU", "AutogradCPU", KEY, f"Autograd{KEY}"):
        simulation.implement("aten::to.device", to_device, key)
        simulation.implement("aten::to.dtype_layout", to_options, key)


def _register_copies(simulation: Simulation) -> None:
    runtime, policies, trace = simulation.runtime, simulation.policies, simulation.trace

    def alias(tensor: torch.Tensor) -> torch.Tensor:
        return to_host(tensor) if tensor.get_device() >= 0 else tensor

    def moved(source: int, target: int, nbytes: int) -> None:
        trace.transfer("h2d" if source < 0 else "d2h" if target < 0 else "d2d", nbytes)

    def copy_from(source: torch.Tensor, target: torch.Tensor, non_blocking: bool = False) -> torch.Tensor:
        if not runtime.live:
            runtime.initialise()
        where = source.get_device(), target.get_device()
        if source.is_meta or target.is_meta:
            raise NotImplementedError("Cannot copy out of meta tensor; no data!")
        trace.operator("aten::copy_", (source.dtype, target.dtype))
        if where[0] != where[1]:
            moved(*where, source.nbytes)
        host = alias(target)
        host.copy_(alias(source))
        if where[1] >= 0 and host.dtype in policies.kept:
            policies.keep("aten::copy_", host)
        return target

    def copy_from_and_resize(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return copy_from(source, target.resize_(source.shape))

    def to_copy(tensor: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        """The same values as another type or on another device; always a copy."""
        if not runtime.live:
            runtime.initialise()
        policies.check("aten::_to_copy", _schema, [tensor], (tensor,), kwargs)
        device = kwargs.pop("device", None)
        kwargs.pop("non_blocking", None)
        if kwargs.pop("pin_memory", None):
            raise RuntimeError("Only dense CPU tensors can be pinned")
        source = tensor.get_device()
        dtype = kwargs.get("dtype") or tensor.dtype
        trace.operator("aten::_to_copy", (tensor.dtype, dtype))
        result = _to_copy(CPU, to_host(tensor), **kwargs)
        if device is not None and device.type != BACKEND:
            moved(source, -1, tensor.nbytes)
            return result if device.type == "cpu" else result.to(device)
        if result.dtype in policies.kept:
            policies.keep("aten::_to_copy", result)
        target = source if device is None else runtime.index(device)
        if target != source:
            moved(source, target, tensor.nbytes)
        return simulation.place(result, target)

    def item(tensor: torch.Tensor) -> Any:
        trace.sync("item")
        trace.operator("aten::_local_scalar_dense", (tensor.dtype,))
        return to_host(tensor).item()

    def equal(left: torch.Tensor, right: torch.Tensor) -> bool:
        if left.device != right.device:
            policies.refuse("mixed_devices", first=left.device, second=right.device, operator="aten::equal")
        trace.sync("equal")
        trace.operator("aten::equal", (left.dtype, right.dtype))
        return bool(torch.equal(alias(left), alias(right)))

    simulation.implement("aten::_copy_from", copy_from)
    for key in ("Conjugate", "Negative"):  # else PyTorch would resolve what is to be written to, and write to a copy
        simulation.implement("aten::_copy_from", torch.library.fallthrough_kernel, key)
    simulation.implement("aten::_copy_from_and_resize", copy_from_and_resize)
    simulation.implement("aten::_to_copy", to_copy)
    simulation.implement("aten::_local_scalar_dense", item)
    simulation.implement("aten::equal", equal)
    simulation.implement("aten::record_stream", lambda tensor, stream: None)
    # Without this one, `module.to` would make new Parameters: tied weights would come untied, and an optimizer that
    # was made before would train the old ones. The vendor's backend registers the same (NeuronNativeFunctions.cpp).
    simulation.implement("aten::_has_compatible_shallow_copy_type", lambda tensor, source: True)
