"""Operators that CPU has no kernel for, as PyTorch asks accelerators only, or one that does not serve.

LSTM and GRU cells in one piece, the backward pass of RMSNorm, histograms of integers. The formulas are those of
PyTorch's own steps on CPU, in the same order of operations, so that results equal CPU's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from porter.simulate import batch_norm
from porter.simulate.kernels import Kernels
from porter.simulate.plans import plan
from porter.simulate.simulation import Simulation


def lstm_cell(
    input_gates: Tensor,
    hidden_gates: Tensor,
    cx: Tensor,
    input_bias: Tensor | None = None,
    hidden_bias: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """The next hidden and cell state, and the gates for the backward pass; gates are (batch, 4 * hidden)."""
    gates = _biased(input_gates, input_bias) + _biased(hidden_gates, hidden_bias)
    i, f, g, o = gates.chunk(4, 1)
    i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
    cy = f * cx + i * g
    return o * cy.tanh(), cy, torch.cat([i, f, g, o], 1)


def lstm_cell_backward(
    grad_hy: Tensor | None, grad_cy: Tensor | None, cx: Tensor, cy: Tensor, workspace: Tensor, has_bias: bool
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """The gradients of gates, cell state and bias."""
    if grad_hy is None and grad_cy is None:
        return None, None, None
    i, f, g, o = workspace.chunk(4, 1)
    tanh = cy.tanh()
    grad_hy = torch.zeros_like(cy) if grad_hy is None else grad_hy
    grad_c = grad_hy * o * (1 - tanh * tanh)
    if grad_cy is not None:
        grad_c = grad_c + grad_cy
    grad_i = grad_c * g * i * (1 - i)
    grad_f = grad_c * cx * f * (1 - f)
    grad_g = grad_c * i * (1 - g * g)
    grad_o = grad_hy * tanh * o * (1 - o)
    gates = torch.cat([grad_i, grad_f, grad_g, grad_o], 1)
    return gates, grad_c * f, gates.sum(0) if has_bias else None


def gru_cell(
    input_gates: Tensor,
    hidden_gates: Tensor,
    hx: Tensor,
    input_bias: Tensor | None = None,
    hidden_bias: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The next hidden state, and what the backward pass needs; gates are (batch, 3 * hidden)."""
    ir, iz, inew = _biased(input_gates, input_bias).chunk(3, 1)
    hr, hz, hnew = _biased(hidden_gates, hidden_bias).chunk(3, 1)
    r, z = (hr + ir).sigmoid(), (hz + iz).sigmoid()
    n = (inew + hnew * r).tanh()
    return (hx - n) * z + n, torch.cat([r, z, n, hx, hnew], 1)


def gru_cell_backward(
    grad_hy: Tensor, workspace: Tensor, has_bias: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor | None, Tensor | None]:
    """The gradients of both gates, of the hidden state and of both biases."""
    r, z, n, hx, hnew = workspace.chunk(5, 1)
    grad_z = grad_hy * (hx - n) * z * (1 - z)
    grad_n = grad_hy * (1 - z) * (1 - n * n)
    grad_r = grad_n * hnew * r * (1 - r)
    input_gates = torch.cat([grad_r, grad_z, grad_n], 1)
    hidden_gates = torch.cat([grad_r, grad_z, grad_n * r], 1)
    biases = (input_gates.sum(0), hidden_gates.sum(0)) if has_bias else (None, None)
    return input_gates, hidden_gates, grad_hy * z, *biases


def rms_norm_backward(
    grad: Tensor,
    input: Tensor,
    normalized_shape: Sequence[int],
    rstd: Tensor,
    weight: Tensor | None,
    mask: Sequence[bool],
) -> tuple[Tensor | None, Tensor | None]:
    """The gradients of input and weight, as far as the mask asks for them; computed in float32 at least."""
    inner = list(range(input.dim() - len(normalized_shape), input.dim()))
    outer = list(range(inner[0])) if inner else list(range(input.dim()))
    wide = torch.promote_types(input.dtype, torch.float32)
    grad, values = grad.to(wide), input.to(wide) * rstd
    scaled = grad if weight is None else grad * weight.to(wide)
    grad_input = grad_weight = None
    if mask[0]:
        grad_input = ((scaled - values * (values * scaled).mean(inner, keepdim=True)) * rstd).to(input.dtype)
    if mask[1] and weight is not None:
        grad_weight = (grad * values).sum(outer).to(input.dtype) if outer else (grad * values).to(input.dtype)
    return grad_input, grad_weight


def zeros(size: Sequence[int], **options: Any) -> Tensor:
    """Zeros with memory: CPU's `_efficientzerotensor` has none, so there is nothing to share."""
    made: Tensor = torch.ops.aten.zeros.default(size, **options)
    return made


def histogram(values: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """`torch.histc` of integers too, which accelerators count (mixtures of experts do) and CPU does not."""
    counted = values if values.is_floating_point() else values.double()
    counts: Tensor = torch.ops.aten.histc.default(counted, *args, **kwargs)
    return counts.to(values.dtype)


def _biased(gates: Tensor, bias: Tensor | None) -> Tensor:
    return gates if bias is None else gates + bias


_SUBSTITUTES: dict[str, Callable[..., Any]] = {
    "aten::_thnn_fused_lstm_cell": lstm_cell,
    "aten::_thnn_fused_lstm_cell_backward_impl": lstm_cell_backward,
    "aten::_thnn_fused_gru_cell": gru_cell,
    "aten::_thnn_fused_gru_cell_backward": gru_cell_backward,
    "aten::_fused_rms_norm_backward": rms_norm_backward,
    "aten::_efficientzerotensor": zeros,
    "aten::histc": histogram,
    **batch_norm.PARTS,
}


def register(simulation: Simulation) -> None:
    """Implement these operators for the device."""
    kernels = Kernels(simulation)
    for name, function in _SUBSTITUTES.items():
        simulation.implement(name, kernels.kernel(replace(plan(name), call=_without_keys(function))))


def _without_keys(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda keys, *args, **kwargs: function(*args, **kwargs)
