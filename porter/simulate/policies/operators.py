"""Operators by what the device makes of them, with their overloads."""

from __future__ import annotations


def _named(*lines: str) -> frozenset[str]:
    return frozenset(f"aten::{name}" for line in lines for name in line.split())


MATRIX_PRODUCTS = _named(
    "mm mm.out bmm bmm.out addmm addmm.out addmm_ _addmm_activation addmv addmv.out addmv_ mv",
    "baddbmm baddbmm.out baddbmm_ addbmm addbmm.out addbmm_ dot vdot addr addr.out _int_mm linear matmul",
)
CONVOLUTIONS = _named(
    "convolution _convolution convolution_overrideable",
    "convolution_backward convolution_backward_overrideable",
)
DILATED_POOLING = _named(
    "max_pool2d_with_indices max_pool2d_with_indices.out max_pool3d_with_indices max_pool3d_with_indices.out"
)
COMBINING_SCATTERS = _named(
    "scatter_add scatter_add_ scatter_add.out scatter_reduce.two scatter_reduce_.two scatter_reduce.two_out",
    "scatter.reduce scatter_.reduce scatter.reduce_out",
    "scatter.value_reduce scatter_.value_reduce scatter.value_reduce_out",
    "index_add index_add_ index_add.out index_reduce index_reduce_ index_reduce.out",
)
ACCUMULATING = _named("index_put index_put_ _index_put_impl_ _unsafe_index_put put put_")
"""Scatters that combine only if told to, by their argument `accumulate`."""
POWERS = _named(
    "pow.Tensor_Tensor pow.Tensor_Tensor_out pow.Tensor_Scalar pow.Tensor_Scalar_out pow.Scalar pow.Scalar_out",
    "pow_.Tensor pow_.Scalar",
)
TOPK = _named("topk topk.values")
RIGHT_SHIFTS = _named(
    "bitwise_right_shift.Tensor bitwise_right_shift.Tensor_out bitwise_right_shift.Tensor_Scalar",
    "bitwise_right_shift.Tensor_Scalar_out bitwise_right_shift.Scalar_Tensor bitwise_right_shift_.Tensor",
    "bitwise_right_shift_.Tensor_Scalar __rshift__.Tensor __rshift__.Scalar __irshift__.Tensor __irshift__.Scalar",
)
WITH_LAYOUT = _named(
    "clone contiguous _to_copy empty.memory_format empty_like zeros_like ones_like full_like rand_like randn_like",
    "resize_ resize_as_",
)
"""Operators with an argument `memory_format`, which all of them take by keyword only."""
