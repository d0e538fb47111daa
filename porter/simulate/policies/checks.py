"""Which operators each policy concerns, and how a call is judged.

A check gets the operator's name, its schema, the device's tensors among its arguments, and the arguments. It returns
the facts for the policy's message, or None. It runs on the hot path: only operators named here have any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

Facts = Mapping[str, object]
Check = Callable[[str, Any, Sequence[torch.Tensor], Sequence[Any], Mapping[str, Any]], Facts | None]

WIDE = frozenset({torch.int32, torch.int64, torch.uint32, torch.uint64})
_WORDS = frozenset({torch.int32, torch.uint32})
_FLOATING = frozenset({torch.float32, torch.float64, torch.float16, torch.bfloat16})
_FORMATS = frozenset({None, torch.contiguous_format, torch.preserve_format})


def _argument(name: str, schema: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The value of an argument by its name, None where it is left out."""
    if name in kwargs:
        return kwargs[name]
    for position, argument in enumerate(schema.arguments[: len(args)]):
        if argument.name == name:
            return args[position]
    return None


def _operator(name: str) -> str:
    return name.partition("::")[2].partition(".")[0]


def _wide_integers(
    name: str, schema: Any, tensors: Sequence[torch.Tensor], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Facts | None:
    return {"operator": _operator(name)} if tensors and tensors[0].dtype in WIDE else None


def _scattered_integers(
    name: str, schema: Any, tensors: Sequence[torch.Tensor], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Facts | None:
    """Whether the destination holds integers or bool (the index, which always does, comes later)."""
    if not tensors or tensors[0].dtype in _FLOATING or tensors[0].is_floating_point():
        return None
    return {"operator": _operator(name)}


def _accumulated_integers(
    name: str, schema: Any, tensors: Sequence[torch.Tensor], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Facts | None:
    if not _argument("accumulate", schema, args, kwargs):
        return None
    return _scattered_integers(name, schema, tensors, args, kwargs)


def _long_power(
    name: str, schema: Any, tensors: Sequence[torch.Tensor], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Facts | None:
    """Whether base and exponent are integers and one is int64: with a float among them, the result is one."""
    if any(tensor.dtype in _FLOATING for tensor in tensors) or any(type(value) is float for value in args):
        return None
    return {"operator": _operator(name)} if any(tensor.dtype is torch.int64 for tensor in tensors) else None


def _shifted(
    name: str, schema: Any, tensors: Sequence[torch.Tensor], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Facts | None:
    return {"operator": _operator(name)} if tensors and tensors[0].dtype not in _WORDS else None


def _dilated_transpose(
    name: str, schema: Any, tensors: Sequence[torch.Tensor], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Facts | None:
    if not _argument("transposed", schema, args, kwargs):
        return None
    strides, dilations = (_argument(which, schema, args, kwargs) for which in ("stride", "dilation"))
    return {"operator": "conv_transpose"} if max(strides) > 1 and max(dilations) > 1 else None


def _dilated_window(
    name: str, schema: Any, tensors: Sequence[torch.Tensor], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Facts | None:
    dilation = _argument("dilation", schema, args, kwargs) or ()
    return {"operator": _operator(name)} if any(step > 1 for step in dilation) else None


def _layout(
    name: str, schema: Any, tensors: Sequence[torch.Tensor], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Facts | None:
    if _argument("memory_format", schema, args, kwargs) in _FORMATS:
        return None
    return {"operator": _operator(name)}


def _aten(names: str) -> list[str]:
    return [f"aten::{name}" for name in names.split()]


_CHECKS: list[tuple[str, Check, list[str]]] = [
    (
        "integer_matmul",
        _wide_integers,
        _aten(
            "mm mm.out bmm bmm.out addmm addmm.out addmm_ _addmm_activation addmv addmv.out addmv_ mv baddbmm baddbmm.out "
            "baddbmm_ addbmm addbmm.out addbmm_ dot vdot addr addr.out _int_mm linear matmul tensordot"
        ),
    ),
    (
        "integer_scatter",
        _scattered_integers,
        _aten(
            "scatter_add scatter_add_ scatter_add.out scatter_reduce.two scatter_reduce_.two scatter_reduce.two_out "
            "scatter.reduce scatter_.reduce scatter.reduce_out scatter.value_reduce scatter_.value_reduce "
            "scatter.value_reduce_out index_add index_add_ index_add.out index_reduce index_reduce_ index_reduce.out"
        ),
    ),
    (
        "integer_scatter",
        _accumulated_integers,
        _aten("index_put index_put_ _index_put_impl_ _unsafe_index_put put put_"),
    ),
    (
        "integer_pow",
        _long_power,
        [
            name
            for kind in ("Tensor_Tensor", "Tensor_Scalar", "Scalar")
            for name in (f"aten::pow.{kind}", f"aten::pow.{kind}_out")
        ]
        + _aten("pow_.Tensor pow_.Scalar"),
    ),
    ("integer_topk", _wide_integers, _aten("topk topk.values")),
    (
        "right_shift",
        _shifted,
        [
            f"aten::{name}.{kind}"
            for name in ("bitwise_right_shift", "__rshift__", "__irshift__", "bitwise_right_shift_")
            for kind in ("Tensor", "Scalar", "Tensor_Scalar", "Scalar_Tensor", "Tensor_out", "Tensor_Scalar_out")
        ],
    ),
    ("dilated_transpose", _dilated_transpose, _aten("convolution convolution_overrideable _convolution")),
    (
        "dilated_pooling",
        _dilated_window,
        _aten(
            "max_pool2d_with_indices max_pool2d_with_indices.out max_pool3d_with_indices max_pool3d_with_indices.out"
        ),
    ),
    (
        "channels_last",
        _layout,
        _aten(
            "clone contiguous _to_copy empty.memory_format empty_like zeros_like ones_like full_like rand_like randn_like "
            "empty_strided resize_ resize_as_ to.device to.dtype to.other"
        ),
    ),
]

CHECKS: dict[str, tuple[tuple[str, Check], ...]] = {}
"""For each operator the policies that concern it, with their checks."""
for _policy, _check, _names in _CHECKS:
    for _name in _names:
        CHECKS[_name] = (*CHECKS.get(_name, ()), (_policy, _check))
