"""The generic kernel: any operator that CPU has, on device tensors that are CPU memory.

What to convert is read off each operator's schema once, when it is registered (`Plan`). At run time a kernel aliases the
device's tensors to CPU, asks the policies, runs PyTorch's own CPU kernel, and puts the result on the device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch

from porter.simulate.alias import to_host
from porter.simulate.simulation import KEY, Simulation
from porter.simulate.views import CPU, rebind

Kernel = Callable[..., Any]

_FOREIGN = (
    "sparse quantized cudnn miopen mkldnn cuda nested fbgemm mps from_file make_dep_token qint xpu cslt mkl_ coalesced "
    "dequantize to_dense nnpack"
).split()
"""Parts of the names of operators for other layouts and other devices."""

_WHOLE = frozenset(
    f"aten::{name}"
    for name in (
        "clone convolution _convolution convolution_backward embedding repeat stack masked_fill.Scalar masked_fill.Tensor "
        "_foreach_norm.Scalar complex polar"
    ).split()
)
"""Operators that PyTorch takes apart on a device without kernels of its own for them: here they have one."""

_APART = frozenset(
    f"aten::{name}"
    for name in "_foreach_copy_ _foreach_copy _foreach_addcdiv_.Tensor _foreach_addcmul_.Tensor "
    "_foreach_addcdiv.Tensor _foreach_addcmul.Tensor".split()
)
"""Operators on lists that mix devices on purpose: PyTorch takes them apart, and each part is judged."""

_HOST_INDICES = frozenset(
    f"aten::{name}"
    for name in "index.Tensor index_put index_put_ _index_put_impl_ _unsafe_index.Tensor _unsafe_index_put".split()
)
"""Operators that take their indices from CPU, too."""


_NUMBERS = frozenset({type(None), bool, int, float, complex})
"""What may stand where a tensor is asked for: nothing, or what PyTorch wrapped and unwraps again for Python."""


@dataclass(frozen=True)
class Plan:
    """How to call one operator, by the positions and names of its arguments."""

    name: str
    schema: Any
    operator: Any  # the overload itself
    call: Kernel  # takes the dispatch keys first
    dispatch: Kernel  # takes numbers for tensors, which `call` does not
    singles: tuple[int, ...]  # positions of tensors
    lists: tuple[int, ...]  # positions of lists of tensors
    keywords: tuple[str, ...]  # keyword-only tensors that are read
    outs: tuple[str, ...]  # keyword-only tensors that are written
    writes: tuple[int, ...]  # positions of tensors that are written
    returns: tuple[int | str | None, ...]  # the argument handed back; None: something new
    device: bool  # whether there is a keyword `device`


def plan(name: str) -> Plan:
    """The plan for an operator; raises AttributeError or RuntimeError for one that Python cannot call."""
    base, _, overload = name.removeprefix("aten::").partition(".")
    operator = getattr(getattr(torch.ops.aten, base), overload or "default")
    schema = operator._schema
    positional = [argument for argument in schema.arguments if not argument.kwarg_only]
    keyword = [argument for argument in schema.arguments if argument.kwarg_only]
    places: dict[str, int | str] = {argument.name: argument.name for argument in keyword}
    places.update((argument.name, position) for position, argument in enumerate(positional))
    written = {
        label: places[argument.name]
        for argument in schema.arguments
        if _writes(argument)
        for label in argument.alias_info.before_set
    }
    return Plan(
        name=name,
        schema=schema,
        operator=operator,
        call=operator._handle.redispatch_boxed,
        dispatch=operator._op,
        singles=tuple(i for i, argument in enumerate(positional) if _tensors(argument) == 1),
        lists=tuple(i for i, argument in enumerate(positional) if _tensors(argument) == 2),
        keywords=tuple(argument.name for argument in keyword if _tensors(argument) and not _writes(argument)),
        outs=tuple(argument.name for argument in keyword if _tensors(argument) and _writes(argument)),
        writes=tuple(i for i, argument in enumerate(positional) if _tensors(argument) and _writes(argument)),
        returns=tuple(
            next((written[label] for label in result.alias_info.before_set), None) if _writes(result) else None
            for result in schema.returns
        ),
        device=any(argument.name == "device" for argument in keyword),
    )


def _writes(argument: Any) -> bool:
    return argument.alias_info is not None and argument.alias_info.is_write


def _tensors(argument: Any) -> int:
    """0: no tensor, 1: a tensor or None, 2: a list of them."""
    kind = str(argument.type)
    return ("Tensor" in kind) + ("List[" in kind and "Tensor" in kind)


class Kernels:
    """Makes the kernels of a simulation."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._policies = simulation.policies
        self._runtime = simulation.runtime

    def kernel(self, plan: Plan) -> Kernel:
        """The kernel for one operator."""
        return self._operator(plan) if plan.singles or plan.lists or plan.outs else self._factory(plan)

    def _operator(self, plan: Plan) -> Kernel:
        name, schema, call, singles, writes = plan.name, plan.schema, plan.call, plan.singles, plan.writes
        dispatch = plan.dispatch
        wide = bool(plan.lists or plan.keywords or plan.outs)
        mutates = bool(writes) and len(singles) > 1
        fresh = plan.returns == (None,)  # the most frequent kind: one new tensor
        runtime, policies, record = self._runtime, self._policies, self._simulation.trace.operator
        place, mixed, gather, finish = self._simulation.place, self._mixed, self._gather, self._finish
        rounded = name in policies.rounded

        def kernel(*args: Any, **kwargs: Any) -> Any:
            if not runtime.live:
                runtime.initialise()
            host, given = list(args), len(args)
            named, tensors, index, number = kwargs, [], -1, False
            for position in singles:
                if position >= given:
                    break
                tensor = args[position]
                if type(tensor) in _NUMBERS:
                    number = number or tensor is not None
                    continue
                where = tensor.get_device()
                if where < 0:
                    if tensor.dim() or position in writes:
                        mixed(plan, args, kwargs)
                    continue
                if where != index:
                    if index >= 0:
                        mixed(plan, args, kwargs)
                    index = where
                tensors.append(tensor)
                host[position] = to_host(tensor)
            if wide:
                named, index = gather(plan, args, kwargs, host, tensors, index)
            policies.check(name, schema, tensors, args, kwargs)
            record(name, tuple([tensor.dtype for tensor in tensors]))
            if mutates and len(tensors) > 1:
                _share(singles, args, host)
            if rounded:
                host = policies.round(host)
            result = dispatch(*host, **named) if number else call(CPU, *host, **named)
            if fresh and type(result) is torch.Tensor and result.dtype not in policies.kept:
                return place(result, index)
            return finish(plan, args, kwargs, host, named, result, index)

        return kernel

    def _gather(
        self,
        plan: Plan,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        host: list[Any],
        tensors: list[torch.Tensor],
        index: int,
    ) -> tuple[dict[str, Any], int]:
        """Alias the tensors in lists and keywords; returns the keywords for CPU, and the device's index."""
        indices = plan.name in _HOST_INDICES

        def alias(tensor: torch.Tensor | None, *, written: bool = False) -> torch.Tensor | None:
            nonlocal index
            if type(tensor) in _NUMBERS:
                return tensor
            where = tensor.get_device()
            if where < 0:
                if written or (tensor.dim() and not indices):
                    self._mixed(plan, args, kwargs)
                return tensor
            if where != index and index >= 0:
                self._mixed(plan, args, kwargs)
            index = where
            tensors.append(tensor)
            return to_host(tensor)

        for position in plan.lists:
            if position < len(args) and args[position] is not None:
                written = position in plan.writes
                host[position] = [alias(tensor, written=written) for tensor in args[position]]
        named = dict(kwargs)
        for name in plan.keywords:
            named[name] = alias(kwargs.get(name))
        for name in plan.outs:
            out = kwargs[name]
            for tensor in out if isinstance(out, (list, tuple)) else [out]:
                alias(tensor, written=True)
            named[name] = [_like(each) for each in out] if isinstance(out, (list, tuple)) else _like(out)
        return named, index if index >= 0 else self._runtime.current()

    def _finish(
        self,
        plan: Plan,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        host: list[Any],
        named: dict[str, Any],
        result: Any,
        index: int,
    ) -> Any:
        """Put results on the device; hand back the caller's own tensors for what was written."""
        for position in plan.writes:
            if position < len(args):
                self._keep(plan, host[position])
        for name in plan.outs:
            self._settle(plan, kwargs[name], named[name])
        if not plan.returns:
            return None
        results = (result,) if len(plan.returns) == 1 else result
        handed = [
            args[place]
            if isinstance(place, int)
            else kwargs[place]
            if isinstance(place, str)
            else self._place(plan, value, index)
            for place, value in zip(plan.returns, results, strict=True)
        ]
        return handed[0] if len(handed) == 1 else tuple(handed)

    def _place(self, plan: Plan, value: Any, index: int) -> Any:
        if isinstance(value, torch.Tensor):
            self._keep(plan, value)
            return self._simulation.place(value, index)
        if isinstance(value, (list, tuple)):
            return [self._place(plan, each, index) for each in value]
        return value

    def _keep(self, plan: Plan, value: Any) -> None:
        for tensor in value if isinstance(value, list) else [value]:
            if tensor is not None and tensor.dtype in self._policies.kept:
                self._policies.keep(plan.name, tensor)

    def _settle(self, plan: Plan, out: Any, result: Any) -> None:
        """Give ``out=`` what CPU computed for it: in its own memory if the shape is what it was, else in the new one."""
        if isinstance(out, (list, tuple)):
            for each, computed in zip(out, result, strict=True):
                self._settle(plan, each, computed)
            return
        self._keep(plan, result)
        if result.shape == out.shape:
            to_host(out).copy_(result)
        else:
            rebind(out, self._simulation.place(result, out.get_device()))

    def _mixed(self, plan: Plan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Refuse tensors of several devices in PyTorch's own words."""
        values = [
            each for value in (*args, *kwargs.values()) for each in _flat(value) if isinstance(each, torch.Tensor)
        ]
        devices = sorted(
            {str(tensor.device) for tensor in values if tensor.dim() or tensor.get_device() >= 0}, reverse=True
        )
        self._policies.refuse("mixed_devices", first=devices[0], second=devices[-1], operator=plan.name)

    def _factory(self, plan: Plan) -> Kernel:
        name, schema, call = plan.name, plan.schema, plan.call
        policies, runtime, place = self._policies, self._runtime, self._simulation.place

        def kernel(
            *args: Any, device: torch.device | None = None, pin_memory: bool | None = None, **kwargs: Any
        ) -> Any:
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
    for name in _operators():
        if name not in simulation.implemented:
            with suppress(AttributeError, RuntimeError):  # internal, or with types that Python lacks
                simulation.implement(name, kernels.kernel(plan(name)))
    simulation.implement("aten::convolution_overrideable", kernels.kernel(plan("aten::convolution")))


def _operators() -> Iterator[str]:
    """The names of operators that a device implements; PyTorch derives the others from these."""
    has = torch._C._dispatch_has_kernel_for_dispatch_key
    for name in torch._C._dispatch_get_all_op_names():
        base = name.removeprefix("aten::")
        if base == name or name in _APART or any(part in base for part in _FOREIGN):
            continue
        if name in _WHOLE or base.startswith(("_foreach_", "_fused_")) or has(name, "CPU"):
            yield name


def _like(out: torch.Tensor) -> torch.Tensor:
    """A CPU tensor of the same size, strides and type, that an operator may resize."""
    return torch.empty_strided(out.shape, out.stride(), dtype=out.dtype)


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
