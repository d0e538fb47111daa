"""The parts of a batch norm over several processes (SyncBatchNorm), which PyTorch has for accelerators only.

On CPU tensors; channels are dimension 1, statistics are float32 at least. Each part takes what a process has, and what
the processes have summed up in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


def stats(input: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Mean and inverse standard deviation of every channel."""
    values = _wide(input)
    variance, mean = torch.var_mean(values, _others(values), correction=0)
    return mean, (variance + eps).rsqrt()


def gather_stats_with_counts(
    input: Tensor,
    mean: Tensor,
    invstd: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    momentum: float,
    eps: float,
    counts: Tensor,
) -> tuple[Tensor, Tensor]:
    """Mean and inverse standard deviation over all processes, from (processes, channels); updates the running ones."""
    total, weights = counts.sum(), (counts / counts.sum()).unsqueeze(1)
    overall = (weights * mean).sum(0)
    variance = (weights * (invstd**-2 - eps + (mean - overall) ** 2)).sum(0)
    if running_mean is not None:
        running_mean.lerp_(overall.to(running_mean.dtype), momentum)
    if running_var is not None:
        running_var.lerp_((variance * total / (total - 1)).to(running_var.dtype), momentum)
    return overall, (variance + eps).rsqrt()


def elemt(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, invstd: Tensor, eps: float
) -> Tensor:
    """The input normalised, scaled and shifted."""
    values = (_wide(input) - _spread(mean, input)) * _spread(invstd, input)
    if weight is not None:
        values = values * _spread(weight, input)
    if bias is not None:
        values = values + _spread(bias, input)
    return values.to(input.dtype)


def backward_reduce(
    grad_out: Tensor,
    input: Tensor,
    mean: Tensor,
    invstd: Tensor,
    weight: Tensor | None,
    input_g: bool,
    weight_g: bool,
    bias_g: bool,
) -> tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None]:
    """The sums over a process that all must share, and the gradients of weight and bias, as far as asked for."""
    grad, dims = _wide(grad_out), _others(input)
    total = grad.sum(dims)
    product = (grad * (_wide(input) - _spread(mean, input))).sum(dims)
    dtype = total.dtype if weight is None else weight.dtype
    return (
        total if input_g else None,
        product if input_g else None,
        (product * invstd).to(dtype) if weight_g else None,
        total.to(dtype) if bias_g else None,
    )


def backward_elemt(
    grad_out: Tensor,
    input: Tensor,
    mean: Tensor,
    invstd: Tensor,
    weight: Tensor | None,
    sum_dy: Tensor,
    sum_dy_xmu: Tensor,
    count: Tensor,
) -> Tensor:
    """The gradient of the input, of the sums over all processes."""
    total = count.sum()
    centred = (_wide(input) - _spread(mean, input)) * _spread(invstd**2 * sum_dy_xmu / total, input)
    scale = invstd if weight is None else invstd * weight
    grad = (_wide(grad_out) - _spread(sum_dy / total, input) - centred) * _spread(scale, input)
    return grad.to(input.dtype)


PARTS: dict[str, Callable[..., Any]] = {
    "aten::batch_norm_stats": stats,
    "aten::batch_norm_gather_stats_with_counts": gather_stats_with_counts,
    "aten::batch_norm_elemt": elemt,
    "aten::batch_norm_backward_reduce": backward_reduce,
    "aten::batch_norm_backward_elemt": backward_elemt,
}
"""The operators by name."""


def _wide(tensor: Tensor) -> Tensor:
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def _others(tensor: Tensor) -> Sequence[int]:
    return [dim for dim in range(tensor.dim()) if dim != 1]


def _spread(channels: Tensor, tensor: Tensor) -> Tensor:
    """One value for every channel, to go with the tensor."""
    return channels.view([-1 if dim == 1 else 1 for dim in range(tensor.dim())])
