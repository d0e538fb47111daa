"""Which operators a device implements, and how each is called: read off the schemas once, when it is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

Kernel = Callable[..., Any]


def _aten(names: str) -> frozenset[str]:
    return frozenset(f"aten::{name}" for name in names.split())


FOREIGN = (
    *("sparse", "quantized", "cudnn", "miopen", "mkldnn", "cuda", "nested", "fbgemm", "mps", "xpu", "cslt", "mkl_"),
    *("nnpack", "qint", "coalesced", "dequantize", "to_dense", "from_file", "make_dep_token"),
)
"""Parts of the names of operators for other layouts and other devices."""

WHOLE = _aten(
    "clone convolution _convolution convolution_backward embedding repeat stack masked_fill.Scalar masked_fill.Tensor "
    "complex polar"
)
"""Operators that PyTorch takes apart on a device without kernels of its own for them: here they have one."""

APART = _aten(
    "_foreach_copy_ _foreach_copy _foreach_addcdiv_.Tensor _foreach_addcmul_.Tensor _foreach_addcdiv.Tensor "
    "_foreach_addcmul.Tensor"
)
"""Operators on lists that mix devices on purpose: PyTorch takes them apart, and each part is judged."""

HOST_INDICES = _aten("index.Tensor index_put index_put_ _index_put_impl_ _unsafe_index.Tensor _unsafe_index_put")
"""Operators that take their indices from CPU, too."""


@dataclass(frozen=True)
class Plan:
    """How to call one operator, by the positions and names of its arguments."""

    name: str
    schema: Any
    operator: Any  # the overload itself
    call: Kernel  # its kernel: takes dispatch keys first, and tensors only
    singles: tuple[int, ...]  # positions of tensors
    lists: tuple[int, ...]  # positions of lists of tensors
    keywords: tuple[str, ...]  # keyword-only tensors that are read
    outs: tuple[str, ...]  # keyword-only tensors, or lists of them, that are written
    writes: tuple[int, ...]  # positions of tensors, or lists of them, that are written
    returns: tuple[int | str | None, ...]  # the argument handed back; None: something new

    @property
    def factory(self) -> bool:
        """Whether it makes tensors of nothing."""
        return not (self.singles or self.lists or self.outs)


def plan(name: str) -> Plan:
    """The plan for an operator of aten; raises AttributeError or RuntimeError for one that Python cannot call."""
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
        singles=tuple(i for i, argument in enumerate(positional) if _tensor(argument) and not _list(argument)),
        lists=tuple(i for i, argument in enumerate(positional) if _tensor(argument) and _list(argument)),
        keywords=tuple(argument.name for argument in keyword if _tensor(argument) and not _writes(argument)),
        outs=tuple(argument.name for argument in keyword if _tensor(argument) and _writes(argument)),
        writes=tuple(i for i, argument in enumerate(positional) if _tensor(argument) and _writes(argument)),
        returns=tuple(
            next((written[label] for label in result.alias_info.before_set), None) if _writes(result) else None
            for result in schema.returns
        ),
    )


def _writes(argument: Any) -> bool:
    return argument.alias_info is not None and argument.alias_info.is_write


def _tensor(argument: Any) -> bool:
    return "Tensor" in str(argument.type)


def _list(argument: Any) -> bool:
    return "List[" in str(argument.type)


def operators() -> Iterator[str]:
    """The names of the operators of aten that a device implements; PyTorch derives all others from these."""
    has = torch._C._dispatch_has_kernel_for_dispatch_key
    for name in torch._C._dispatch_get_all_op_names():
        base = name.removeprefix("aten::")
        if base == name or name in APART or any(part in base for part in FOREIGN):
            continue
        if name in WHOLE or base.startswith(("_foreach_", "_fused_")) or has(name, "CPU"):
            yield name
