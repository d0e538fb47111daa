"""How a call of an operator is judged.

A check gets the operator's name, its schema, the device's tensors among its arguments, and the arguments. It returns
the facts for the policy's message, or None. It runs on the hot path: only operators that a policy concerns have any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from porter.simulate.policies import operators

Facts = Mapping[str, object]
Check = Callable[[str, Any, Sequence[torch.Tensor], Sequence[Any], Mapping[str, Any]], "Facts | None"]

WIDE = frozenset({torch.int32, torch.int64, torch.uint32, torch.uint64})
"""Integers that the engines, which compute in float32, would not keep exact."""
_WORDS = frozenset({torch.int32, torch.uint32})
_LAYOUTS = frozenset({None, torch.contiguous_format, torch.preserve_format})


def _argument(name: str, schema: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The value of an argument by its name, None where it is left out."""
    if name in kwargs:
        return kwargs[name]
    for argument, value in zip(schema.arguments, args, strict=False):
        if argument.name == name:
            return value
    return None


def _named(name: str) -> Facts:
    return {"operator": name.partition("::")[2].partition(".")[0]}


def _wide_integers(
    name: str, schema: Any, tensors: Sequence[torch.Tensor], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Facts | None:
    return _named(name) if tensors and tensors[0].dtype in WIDE else None


def _scattered_integers(
    name: str, schema: Any, tensors: Sequence[torch.Tensor], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Facts | None:
    """Whether the destination, which comes first, holds integers or bool."""
    return None if not tensors or tensors[0].is_floating_point() or tensors[0].is_complex() else _named(name)


def _accumulated_integers(
    name: str, schema: Any, tensors: Sequence[torch.Tensor], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Facts | None:
    accumulate = _argument("accumulate", schema, args, kwargs)
    return _scattered_integers(name, schema, tensors, args, kwargs) if accumulate else None


def _long_power(
    name: str, schema: Any, tensors: Sequence[torch.Tensor], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Facts | None:
    """Whether the result is int64: with a float among base and exponent, it is one."""
    operands = [value for value in args if isinstance(value, (torch.Tensor, int, float))]
    return _named(name) if len(operands) == 2 and torch.result_type(*operands) is torch.int64 else None


def _shifted(
    name: str, schema: Any, tensors: Sequence[torch.Tensor], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Facts | None:
    return _named(name) if tensors and tensors[0].dtype not in _WORDS else None


def _dilated_transpose(
    name: str, schema: Any, tensors: Sequence[torch.Tensor], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Facts | None:
    if not _argument("transposed", schema, args, kwargs):
        return None
    steps = [_argument(which, schema, args, kwargs) for which in ("stride", "dilation")]
    return {"operator": "conv_transpose"} if all(max(step) > 1 for step in steps) else None


def _dilated_window(
    name: str, schema: Any, tensors: Sequence[torch.Tensor], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Facts | None:
    dilation = _argument("dilation", schema, args, kwargs)
    return _named(name) if dilation and max(dilation) > 1 else None


def _layout(
    name: str, schema: Any, tensors: Sequence[torch.Tensor], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Facts | None:
    return None if kwargs.get("memory_format") in _LAYOUTS else _named(name)


CHECKS: dict[str, tuple[tuple[str, Check], ...]] = {}
"""For each operator the policies that concern it, with their checks."""
for _policy, _check, _operators in (
    ("integer_matmul", _wide_integers, operators.MATRIX_PRODUCTS),
    ("integer_scatter", _scattered_integers, operators.COMBINING_SCATTERS),
    ("integer_scatter", _accumulated_integers, operators.ACCUMULATING),
    ("integer_pow", _long_power, operators.POWERS),
    ("integer_topk", _wide_integers, operators.TOPK),
    ("right_shift", _shifted, operators.RIGHT_SHIFTS),
    ("dilated_transpose", _dilated_transpose, operators.CONVOLUTIONS),
    ("dilated_pooling", _dilated_window, operators.DILATED_POOLING),
    ("channels_last", _layout, operators.WITH_LAYOUT),
):
    for _operator in _operators:
        CHECKS[_operator] = (*CHECKS.get(_operator, ()), (_policy, _check))
