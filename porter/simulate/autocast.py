"""`torch.autocast("neuron")`: which operators run in the lower precision, by PyTorch's own lists for accelerators.

The lists are those of ATen/autocast_mode.h, which PyTorch applies to CUDA and other backends in C++ and leaves to a
Python backend to apply itself. The vendor follows the conventions of CUDA, too (T-AC).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import torch

from porter.simulate.plans import Plan, plan
from porter.simulate.simulation import BACKEND, Simulation

KEY = "AutocastPrivateUse1"

LOWER = """
    _convolution.deprecated _convolution conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d.input
    conv_transpose3d.input convolution prelu addmm addmv addr matmul einsum mm mv linalg_vecdot linear addbmm baddbmm
    bmm chain_matmul linalg_multi_dot _thnn_fused_lstm_cell _thnn_fused_gru_cell lstm_cell gru_cell rnn_tanh_cell
    rnn_relu_cell scaled_dot_product_attention
"""
"""Operators that run in autocast's type."""

FLOAT32 = """
    acos asin cosh erfinv exp expm1 log log10 log2 log1p reciprocal rsqrt sinh tan pow.Tensor_Scalar
    pow.Tensor_Tensor pow.Scalar softplus layer_norm native_layer_norm rms_norm group_norm frobenius_norm.dim
    nuclear_norm nuclear_norm.dim cosine_similarity poisson_nll_loss cosine_embedding_loss nll_loss nll_loss2d
    hinge_embedding_loss kl_div l1_loss smooth_l1_loss huber_loss mse_loss margin_ranking_loss
    multilabel_margin_loss soft_margin_loss triplet_margin_loss multi_margin_loss binary_cross_entropy_with_logits
    dist pdist cdist renorm logsumexp upsample_nearest1d _upsample_nearest_exact1d upsample_nearest2d
    _upsample_nearest_exact2d upsample_nearest3d _upsample_nearest_exact3d upsample_linear1d upsample_bilinear2d
    _upsample_bilinear2d_aa upsample_trilinear3d upsample_bicubic2d _upsample_bicubic2d_aa prod prod.dim_int
    softmax.int log_softmax.int cumprod cumsum linalg_vector_norm linalg_matrix_norm linalg_matrix_norm.str_ord sum
    sum.dim_IntList norm.Scalar norm.ScalarOpt_dim
"""
"""Operators that run in float32, unless the call names a type."""

PROMOTE = "addcdiv addcmul atan2 bilinear cross dot vdot grid_sampler index_put tensordot scatter_add"
"""Operators that run in the widest type of their arguments."""

REFUSED = "binary_cross_entropy"

_EXCLUDED = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)
_Kernel = Callable[..., Any]
_Choice = Callable[[list[torch.Tensor]], torch.dtype]


class Casts:
    """Casts of arguments; those of weights are kept until the autocast region ends, by thread, as PyTorch does."""

    def __init__(self) -> None:
        self._thread = threading.local()

    def clear(self) -> None:
        """Forget the weights of this thread."""
        self._thread.__dict__.clear()

    def cast(self, tensor: Any, dtype: torch.dtype) -> Any:
        """A floating-point tensor of the device as another type; anything else, and float64, as it is."""
        if not _eligible(tensor) or tensor.dtype is dtype:
            return tensor
        weight = tensor.requires_grad and tensor.is_leaf and tensor.dtype is torch.float32 and not tensor._is_view()
        if not (weight and torch.is_autocast_cache_enabled() and torch.is_grad_enabled()):
            return tensor.to(dtype)
        kept = self._thread.__dict__
        name = f"{id(tensor)} {dtype}"
        if name not in kept:
            kept[name] = tensor, tensor.to(dtype)  # with the tensor itself, so that nothing else gets its id
        return kept[name][1]


def _eligible(value: Any) -> bool:
    return (
        isinstance(value, torch.Tensor)
        and value.is_floating_point()
        and value.dtype is not torch.float64
        and value.device.type == BACKEND
    )


def _lower(tensors: list[torch.Tensor]) -> torch.dtype:
    return torch.get_autocast_dtype(BACKEND)


def _float32(tensors: list[torch.Tensor]) -> torch.dtype:
    return torch.float32


def _widest(tensors: list[torch.Tensor]) -> torch.dtype:
    return torch.float32 if any(tensor.dtype is torch.float32 for tensor in tensors) else _lower(tensors)


def register(simulation: Simulation) -> None:
    """Cast the arguments of every listed operator; let all others through as they are."""
    casts = Casts()
    simulation.library("_").fallback(torch.library.fallthrough_kernel, KEY)
    for names, choose in ((LOWER, _lower), (FLOAT32, _float32), (PROMOTE, _widest)):
        for name in names.split():
            simulation.implement(f"aten::{name}", _casting(plan(f"aten::{name}"), choose, casts), KEY)
    simulation.implement(f"aten::{REFUSED}", _refuse, KEY)
    clear = torch.clear_autocast_cache

    def clear_all() -> None:
        casts.clear()
        clear()

    torch.clear_autocast_cache = clear_all


def _casting(plan: Plan, choose: _Choice, casts: Casts) -> _Kernel:
    """The kernel that casts, and then calls the operator without autocast."""
    operator, singles, lists = plan.operator, plan.singles, plan.lists
    names = [argument.name for argument in plan.schema.arguments]
    typed = names.index("dtype") if "dtype" in names else len(names)

    def kernel(*args: Any, **kwargs: Any) -> Any:
        with torch._C._ExcludeDispatchKeyGuard(_EXCLUDED):
            if kwargs.get("dtype") is not None or (len(args) > typed and args[typed] is not None):
                return operator(*args, **kwargs)
            values = list(args)
            taken = [position for position in singles if position < len(values)]
            listed = [position for position in lists if position < len(values)]
            tensors = [values[position] for position in taken]
            for position in listed:
                tensors += values[position]
            dtype = choose([tensor for tensor in tensors if _eligible(tensor)])
            for position in taken:
                values[position] = casts.cast(values[position], dtype)
            for position in listed:
                values[position] = [casts.cast(tensor, dtype) for tensor in values[position]]
            return operator(*values, **kwargs)

    return kernel


def _refuse(*args: Any, **kwargs: Any) -> Any:
    raise RuntimeError(
        "torch.nn.functional.binary_cross_entropy and torch.nn.BCELoss are unsafe to autocast.\n"
        "Many models use a sigmoid layer right before the binary cross entropy layer: combine the two with "
        "torch.nn.functional.binary_cross_entropy_with_logits or torch.nn.BCEWithLogitsLoss, which are safe."
    )
