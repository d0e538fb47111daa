"""The generic kernel: any operator that CPU has, on device tensors that are CPU memory.

A kernel aliases the device's tensors to CPU, asks the policies, runs PyTorch's own CPU kernel, and puts the result on
the device. It runs for every operator of a program: what can be known before (`Plan`) is, and the most frequent kind,
new tensors made of others, goes straight through.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from porter.simulate.alias import to_host
from porter.simulate.plans import HOST_INDICES, Kernel, Plan, operators, plan
from porter.simulate.simulation import Simulation
from porter.simulate.views import CPU, rebind

_NUMBERS = frozenset({type(None), bool, int, float, complex})
"""What may stand where a tensor is asked for: nothing, or what PyTorch wrapped, and unwraps again for Python."""


@dataclass
class Call:
    """One call of an operator, where it is not of the most frequent kind."""

    plan: Plan
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    host: list[Any]  # the positional arguments for CPU
    named: dict[str, Any]  # the keyword arguments for CPU
    tensors: list[Tensor]  # the device's tensors among the arguments
    index: int  # the device's; -1: not known yet


class Kernels:
    """Makes the kernels of a simulation."""

    def __init__(self, simulation: Simulation) -> None:
        self._place = simulation.place
        self._policies = simulation.policies
        self._runtime = simulation.runtime
        self._record = simulation.trace.operator

    def kernel(self, plan: Plan) -> Kernel:
        """The kernel for one operator."""
        return self._factory(plan) if plan.factory else self._operator(plan)

    def _operator(self, plan: Plan) -> Kernel:
        name, schema, call, singles, writes = plan.name, plan.schema, plan.call, plan.singles, plan.writes
        wide = bool(plan.lists or plan.keywords or plan.outs)
        fresh = set(plan.returns) == {None} and not plan.writes
        several = len(plan.returns) > 1
        mutates = bool(writes) and len(singles) > 1
        number_call = plan.operator.overloadpacket  # finds the overload that takes a number
        runtime, policies, place, record = self._runtime, self._policies, self._place, self._record
        rounded = name in policies.rounded

        def kernel(*args: Any, **kwargs: Any) -> Any:
            if not runtime.live:
                runtime.initialise()
            host, given = list(args), len(args)
            named, tensors, index, numbers = kwargs, [], -1, False
            for position in singles:
                if position >= given:
                    break
                tensor = args[position]
                if type(tensor) in _NUMBERS:
                    numbers = numbers or tensor is not None
                    continue
                where = tensor.get_device()
                if where < 0:
                    if tensor.dim() or position in writes:
                        self._mixed(plan, args, kwargs)
                    continue
                if where != index:
                    if index >= 0:
                        self._mixed(plan, args, kwargs)
                    index = where
                tensors.append(tensor)
                host[position] = to_host(tensor)
            if wide:
                rest = Call(plan, args, kwargs, host, named, tensors, index)
                self._gather(rest)
                named, index = rest.named, rest.index
            policies.check(name, schema, tensors, args, kwargs)
            record(name, tuple([tensor.dtype for tensor in tensors]))
            if mutates and len(tensors) > 1:
                _share(singles, args, host)
            if rounded:
                host = policies.round(host)
            result = number_call(*host, **named) if numbers else call(CPU, *host, **named)
            if fresh:
                kept = policies.kept
                if type(result) is Tensor and result.dtype not in kept:
                    return place(result, index)
                if several and all([type(each) is Tensor and each.dtype not in kept for each in result]):  # noqa: C419 - faster
                    return tuple([place(each, index) for each in result])
            return self._finish(Call(plan, args, kwargs, host, named, tensors, index), result)

        return kernel

    def _gather(self, call: Call) -> None:
        """Alias the tensors in lists and keywords."""
        plan, indices = call.plan, call.plan.name in HOST_INDICES

        def alias(tensor: Any, *, written: bool = False) -> Any:
            if type(tensor) in _NUMBERS:
                return tensor
            where = tensor.get_device()
            if where < 0:
                if written or (tensor.dim() and not indices):
                    self._mixed(plan, call.args, call.kwargs)
                return tensor
            if where != call.index >= 0:
                self._mixed(plan, call.args, call.kwargs)
            call.index = where
            call.tensors.append(tensor)
            return to_host(tensor)

        for position in plan.lists:
            if position < len(call.args) and call.args[position] is not None:
                written = position in plan.writes
                call.host[position] = [alias(tensor, written=written) for tensor in call.args[position]]
        call.named = dict(call.kwargs)
        for name in plan.keywords:
            call.named[name] = alias(call.kwargs.get(name))
        for name in plan.outs:
            out = call.kwargs[name]
            for tensor in _flat(out):
                alias(tensor, written=True)
            call.named[name] = [_like(tensor) for tensor in out] if isinstance(out, (list, tuple)) else _like(out)
        if call.index < 0:
            call.index = self._runtime.current()

    def _finish(self, call: Call, result: Any) -> Any:
        """Put results on the device; hand back the caller's own tensors for what was written."""
        plan = call.plan
        for position in plan.writes:
            if position < len(call.args):
                self._keep(plan, call.host[position])
        for name in plan.outs:
            for out, computed in zip(_flat(call.kwargs[name]), _flat(call.named[name]), strict=True):
                self._settle(plan, out, computed)
        if not plan.returns:
            return None
        single = len(plan.returns) == 1
        handed = [
            self._put(call, value)
            if source is None
            else call.args[source]
            if isinstance(source, int)
            else call.kwargs[source]
            for source, value in zip(plan.returns, (result,) if single else result, strict=True)
        ]
        return handed[0] if single else tuple(handed)

    def _put(self, call: Call, value: Any) -> Any:
        if isinstance(value, Tensor):
            self._keep(call.plan, value)
            return self._place(value, call.index)
        if isinstance(value, (list, tuple)):
            return [self._put(call, each) for each in value]
        return value

    def _keep(self, plan: Plan, written: Any) -> None:
        for tensor in _flat(written):
            if tensor is not None and tensor.dtype in self._policies.kept:
                self._policies.keep(plan.name, tensor)

    def _settle(self, plan: Plan, out: Tensor, computed: Tensor) -> None:
        """Give ``out=`` what CPU computed for it: in its own memory if the size is what it was, else in the new one."""
        self._keep(plan, computed)
        if computed.shape == out.shape:
            to_host(out).copy_(computed)
        else:
            rebind(out, self._place(computed, out.get_device()))

    def _mixed(self, plan: Plan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Refuse tensors of several devices, if the policy does."""
        values = [each for value in (*args, *kwargs.values()) for each in _flat(value)]
        devices = sorted({str(each.device) for each in values if isinstance(each, Tensor)}, reverse=True)
        self._policies.refuse("mixed_devices", first=devices[0], second=devices[1], operator=plan.name)

    def _factory(self, plan: Plan) -> Kernel:
        name, schema, call = plan.name, plan.schema, plan.call
        policies, runtime, place = self._policies, self._runtime, self._place

        def kernel(*args: Any, device: Any = None, pin_memory: bool | None = None, **kwargs: Any) -> Any:
            if pin_memory:
                raise RuntimeError("Only dense CPU tensors can be pinned")
            index = runtime.index(device)
            policies.check(name, schema, (), args, kwargs)
            result = call(CPU, *args, **kwargs)
            if result.dtype in policies.kept:
                policies.keep(name, result)
            return place(result, index)

        return kernel


def register(simulation: Simulation) -> None:
    """Implement every operator for the device that CPU has a kernel for and that nothing else implements."""
    kernels = Kernels(simulation)
    for name in operators():
        if name not in simulation.implemented:
            with suppress(AttributeError, RuntimeError):  # internal, or with types that Python lacks
                simulation.implement(name, kernels.kernel(plan(name)))
    simulation.implement("aten::convolution_overrideable", kernels.kernel(plan("aten::convolution")))


def _like(out: Tensor) -> Tensor:
    """A CPU tensor of the same size, strides and type, that an operator may resize."""
    return torch.empty_strided(out.shape, out.stride(), dtype=out.dtype, device="cpu")


def _share(positions: Sequence[int], args: Sequence[Any], host: list[Any]) -> None:
    """Let CPU see which arguments share a storage, so that it refuses to write to what it reads at the same time."""
    storages: dict[int, int] = {}
    for position in positions:
        if position >= len(args) or type(args[position]) in _NUMBERS or args[position].get_device() < 0:
            continue
        first = storages.setdefault(args[position].untyped_storage()._cdata, position)
        if first == position:
            continue
        if args[first] is args[position]:
            host[position] = host[first]
            continue
        whole = to_host(args[first].new_empty(0).set_(args[first].untyped_storage())).untyped_storage()
        for which in (first, position):
            tensor = args[which]
            host[which] = host[which].new_empty(0).set_(whole, tensor.storage_offset(), tensor.shape, tensor.stride())


def _flat(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else (value,)
