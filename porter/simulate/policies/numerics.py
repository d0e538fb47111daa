"""What the device keeps of a number, and what its matrix engine takes: on CPU tensors."""

from __future__ import annotations

import torch

from porter.simulate.policies.operators import CONVOLUTIONS, MATRIX_PRODUCTS

KEPT = {
    torch.float64: "float64",
    torch.int64: "int64",
    torch.complex32: "complex",
    torch.complex64: "complex",
    torch.complex128: "complex",
    torch.float8_e4m3fn: "float8_e4m3fn",
    torch.float8_e4m3fnuz: "float8_fnuz",
    torch.float8_e5m2fnuz: "float8_fnuz",
}
"""Data types with the policy that says what becomes of them."""

_NARROW = {torch.float64: torch.float32, torch.int64: torch.int32}


def products(auto_cast: str) -> frozenset[str]:
    """Operators that the compiler's --auto-cast concerns: `none` of them or `matmult`; raises ValueError otherwise."""
    modes = {"none": frozenset[str](), "matmult": MATRIX_PRODUCTS | CONVOLUTIONS}
    if auto_cast not in modes:
        raise ValueError(f"auto_cast is one of {', '.join(modes)}, not {auto_cast!r}")
    return modes[auto_cast]


def narrow(host: torch.Tensor) -> None:
    """Round float64 to what float32 can hold, and wrap int64 to 32 bits, in place: the data type stays."""
    host.copy_(host.to(_NARROW[host.dtype]))


def as_bfloat16(host: torch.Tensor) -> torch.Tensor:
    """A float32 tensor rounded to bfloat16 and back; any other as it is."""
    return host.to(torch.bfloat16).to(torch.float32) if host.dtype is torch.float32 else host
