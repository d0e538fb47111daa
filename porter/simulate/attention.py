"""Attention as one operator, as Neuron has it, by the fused kernel that CPU would take.

PyTorch would take attention apart on a device whose backend does not say which fused kernel it has, which only C++ can.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from porter.simulate.alias import to_host
from porter.simulate.kernels import Kernels
from porter.simulate.plans import plan
from porter.simulate.simulation import Simulation
from porter.simulate.views import CPU

_ATEN = torch.ops.aten
_NAME = "aten::scaled_dot_product_attention"
_FUSED = "aten::_scaled_dot_product_flash_attention_for_cpu"
_FLASH = 1  # at::SDPBackend


def attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    """`torch.nn.functional.scaled_dot_product_attention`: fused where CPU has a kernel for it, else step by step."""
    args = (query, key, value, attn_mask, dropout_p, is_causal)
    options: dict[str, Any] = {"scale": scale, "enable_gqa": enable_gqa}
    mask = _additive(attn_mask, query.dtype)
    learned = attn_mask is not None and attn_mask.requires_grad
    if not learned and _ATEN._fused_sdp_choice.default(*args, **options) == _FLASH:
        fused = _ATEN._scaled_dot_product_flash_attention_for_cpu.default
        batches = [_batched(each) for each in (query, key, value)]
        heads: torch.Tensor = fused(*batches, dropout_p, is_causal, attn_mask=_batched(mask), scale=scale)[0]
        result = heads.squeeze(0) if query.dim() == 3 else heads
    else:
        steps = _ATEN._scaled_dot_product_attention_math.default
        result = steps(query, key, value, mask, dropout_p, is_causal, **options)[0]
    return result


def _batched(tensor: torch.Tensor | None) -> torch.Tensor | None:
    """What has no dimension for batches, with one: from 2.15 on CPU takes it fused, too."""
    return tensor.unsqueeze(0) if tensor is not None and tensor.dim() == 3 else tensor


def _additive(mask: torch.Tensor | None, dtype: torch.dtype) -> torch.Tensor | None:
    """A mask of what to attend to, as what to add to the scores."""
    if mask is None or mask.dtype is not torch.bool:
        return mask
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(mask.logical_not(), float("-inf"))


def _choose(*args: Any, **options: Any) -> int:
    """Which kernel CPU would take for these device tensors (at::SDPBackend)."""
    host = [to_host(value) if isinstance(value, torch.Tensor) else value for value in args]
    return int(_ATEN._fused_sdp_choice.default._handle.redispatch_boxed(CPU, *host, **options))


def register(simulation: Simulation) -> None:
    """Implement attention for the device, with and without autograd; the trace calls it by its public name."""
    kernels = Kernels(simulation)
    for name in (_FUSED, f"{_FUSED}_backward"):
        simulation.implement(name, kernels.kernel(replace(plan(name), name=name.replace(_FUSED, _NAME))))
    simulation.implement("aten::_fused_sdp_choice", _choose)
    simulation.implement(_NAME, attention)
    simulation.implement(_NAME, attention, "AutogradPrivateUse1")
