"""What packages for CUDA compute, from their documentation, in plain PyTorch: to run programs that use them here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn


def modules() -> dict[str, ModuleType]:
    """Stand-ins for the packages, by the names that programs import."""
    contents: dict[str, dict[str, Any]] = {
        "flash_attn": {
            "flash_attn_func": flash_attn_func,
            "flash_attn_qkvpacked_func": lambda qkv, *a, **k: flash_attn_func(*qkv.unbind(2), *a, **k),
            "flash_attn_kvpacked_func": lambda q, kv, *a, **k: flash_attn_func(q, *kv.unbind(2), *a, **k),
        },
        "xformers": {},
        "xformers.ops": {
            "memory_efficient_attention": memory_efficient_attention,
            "LowerTriangularMask": LowerTriangularMask,
        },
        "apex": {},
        "apex.amp": {
            "initialize": lambda models, optimizers, **_: (models, optimizers),
            "scale_loss": scale_loss,
            "master_params": lambda optimizer: (p for group in optimizer.param_groups for p in group["params"]),
            "state_dict": lambda: {"loss_scaler0": {"loss_scale": SCALE, "unskipped": 0}},
            "load_state_dict": lambda state: state["loss_scaler0"],
        },
        "apex.optimizers": {"FusedAdam": FusedAdam, "FusedSGD": FusedSGD, "FusedAdagrad": FusedAdagrad},
        "apex.normalization": {"FusedLayerNorm": FusedLayerNorm, "FusedRMSNorm": FusedRMSNorm},
        "deepspeed": {},
        "deepspeed.ops": {},
        "deepspeed.ops.adam": {"FusedAdam": FusedAdam, "DeepSpeedCPUAdam": DeepSpeedCPUAdam},
        "bitsandbytes": {},
        "bitsandbytes.optim": {"Adam8bit": Adam, "AdamW8bit": AdamW, "PagedAdam32bit": Adam, "SGD8bit": SGD},
    }
    made = {}
    for name, content in contents.items():
        made[name] = ModuleType(name)
        vars(made[name]).update(content)
        parent, _, last = name.rpartition(".")
        if parent:
            setattr(made[parent], last, made[name])
    return made


SCALE = 128.0
delayed: list[Tensor] = []  # parameters whose gradients wait to be scaled back


@contextmanager
def scale_loss(
    loss: Tensor, optimizers: torch.optim.Optimizer, loss_id: int = 0, delay_unscale: bool = False
) -> Iterator[Tensor]:
    """Apex's, in float32: gradients of the scaled loss add up, and are scaled back behind the block, or a later one."""
    parameters = [p for group in optimizers.param_groups for p in group["params"]]
    for parameter in parameters:
        if parameter.grad is not None and not delayed:
            parameter.grad = parameter.grad * SCALE
    yield loss * SCALE
    delayed[:] = parameters if delay_unscale else []
    for parameter in parameters:
        if parameter.grad is not None and not delayed:
            parameter.grad = parameter.grad / SCALE


def flash_attn_func(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    dropout_p: float = 0.0,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: tuple[int, int] = (-1, -1),
    deterministic: bool = False,
) -> Tensor:
    """flash-attn 2.1 and later: (batch, sequence, heads, head size); the causal mask ends with the last key."""
    assert dropout_p == 0.0 and window_size == (-1, -1)
    group = q.shape[2] // k.shape[2]
    k, v = k.repeat_interleave(group, 2), v.repeat_interleave(group, 2)
    scores = torch.einsum("bqhd,bkhd->bhqk", q, k) * (softmax_scale or q.shape[-1] ** -0.5)
    if causal:
        queries, keys = scores.shape[-2:]
        allowed = torch.arange(keys)[None, :] <= torch.arange(queries)[:, None] + keys - queries
        scores = scores.masked_fill(~allowed, -torch.inf)
    return torch.einsum("bhqk,bkhd->bqhd", scores.softmax(-1), v).contiguous()


class LowerTriangularMask:
    """xFormers: each query sees the keys up to its own place, from the first."""


def memory_efficient_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_bias: object = None, p: float = 0.0, scale: float | None = None
) -> Tensor:
    """xFormers: (batch, sequence, heads, head size), or (batch, sequence, head size)."""
    assert p == 0.0
    heads = query.dim() == 4
    q, k, v = ((x if heads else x[:, :, None]) for x in (query, key, value))
    assert attn_bias is None or q.shape[1] == k.shape[1]
    out = flash_attn_func(q, k, v, softmax_scale=scale, causal=attn_bias is not None)
    return out if heads else out[:, :, 0]


class _Optimizer(torch.optim.Optimizer):
    def __init__(self, params: Any, **defaults: Any) -> None:
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                self.update(p, p.grad, self.state[p], group)

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        raise NotImplementedError


def _moments(g: Tensor, state: dict[str, Any], betas: tuple[float, float]) -> tuple[Tensor, Tensor]:
    state["t"] = state.get("t", 0) + 1
    state["m"] = betas[0] * state.get("m", torch.zeros_like(g)) + (1 - betas[0]) * g
    state["v"] = betas[1] * state.get("v", torch.zeros_like(g)) + (1 - betas[1]) * g * g
    return state["m"] / (1 - betas[0] ** state["t"]), state["v"] / (1 - betas[1] ** state["t"])


class FusedAdam(_Optimizer):
    """Apex and DeepSpeed: decoupled decay, by default none; plain L2 where ``adam_w_mode`` is off."""

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        bias_correction: bool = True,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        adam_w_mode: bool = True,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        set_grad_none: bool = True,
    ) -> None:
        assert bias_correction and not amsgrad
        super().__init__(params, lr=lr, betas=betas, eps=eps, adam_w=adam_w_mode, weight_decay=weight_decay)

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        decay = group["weight_decay"] * p
        m, v = _moments(g if group["adam_w"] else g + decay, state, group["betas"])
        update = m / (v.sqrt() + group["eps"])
        p.sub_(group["lr"] * (update + decay if group["adam_w"] else update))


class DeepSpeedCPUAdam(FusedAdam):
    """DeepSpeed's Adam for parameters on the host: other names, in another order."""

    def __init__(
        self,
        model_params: Any,
        lr: float = 1e-3,
        bias_correction: bool = True,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        adamw_mode: bool = True,
    ) -> None:
        super().__init__(model_params, lr, bias_correction, betas, eps, adamw_mode, weight_decay, amsgrad)


class FusedSGD(_Optimizer):
    """Apex: SGD with momentum, decay and Nesterov's variant as torch's."""

    def __init__(
        self,
        params: Any,
        lr: float,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        set_grad_none: bool = False,
    ) -> None:
        super().__init__(params, lr=lr, mu=momentum, dampening=dampening, decay=weight_decay, nesterov=nesterov)

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        g = g + group["decay"] * p
        buffer = state.get("b")
        state["b"] = g.clone() if buffer is None else group["mu"] * buffer + (1 - group["dampening"]) * g
        p.sub_(group["lr"] * (g + group["mu"] * state["b"] if group["nesterov"] else state["b"]))


class FusedAdagrad(_Optimizer):
    """Apex: the sum of squares grows from zero."""

    def __init__(self, params: Any, lr: float = 1e-2, eps: float = 1e-10, weight_decay: float = 0.0) -> None:
        super().__init__(params, lr=lr, eps=eps, decay=weight_decay)

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        g = g + group["decay"] * p
        state["h"] = state.get("h", torch.zeros_like(g)) + g * g
        p.sub_(group["lr"] * g / (state["h"].sqrt() + group["eps"]))


class Adam(_Optimizer):
    """bitsandbytes: weight decay is decoupled whatever the class is called; what is about 8 bits is left out."""

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        min_8bit_size: int = 4096,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, decay=weight_decay)

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        m, v = _moments(g, state, group["betas"])
        p.mul_(1 - group["lr"] * group["decay"])
        p.sub_(group["lr"] * m / (v.sqrt() + group["eps"]))


class AdamW(Adam):
    """bitsandbytes: the same, with another default."""

    def __init__(self, params: Any, *args: Any, weight_decay: float = 1e-2, **kwargs: Any) -> None:
        super().__init__(params, *args, weight_decay=weight_decay, **kwargs)


class SGD(FusedSGD):
    """bitsandbytes: dampening and Nesterov's variant are taken, and do nothing."""

    def __init__(
        self,
        params: Any,
        lr: float,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(params, lr, momentum, 0.0, weight_decay, False)


class FusedLayerNorm(nn.Module):
    """Apex: layer normalisation."""

    def __init__(
        self, shape: int, eps: float = 1e-5, elementwise_affine: bool = True, memory_efficient: bool = False
    ) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + self.eps).sqrt()


class FusedRMSNorm(FusedLayerNorm):
    """Apex: RMS normalisation, with an epsilon of its own."""

    def forward(self, x: Tensor) -> Tensor:
        return x / (x.square().mean(-1, keepdim=True) + self.eps).sqrt()
