"""Operators that the native backend hands to CPU, as far as its sources say."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """Why an operator falls back, with source keys and evidence letter (docs/policies.md explains both)."""

    reason: str
    sources: tuple[str, ...]
    evidence: str


_EXPLICIT = Known("registered as a CPU fallback", ("T-FB",), "B")
_UNREGISTERED = Known("not registered in April's source", ("T-OPS", "T-TESTS"), "B")
_RANDOM = Known("random operators run on CPU, with the generator of CPU", ("T-TESTS", "DIF-TU"), "A")

_TABLE = (
    (
        _EXPLICIT,
        "linalg_qr _linalg_svd _linalg_eigh linalg_cholesky_ex linalg_inv_ex linalg_lu_factor_ex linalg_ldl_factor_ex",
        "_linalg_slogdet _linalg_det cholesky_inverse triangular_solve",
    ),
    (
        _UNREGISTERED,
        "sort unique_consecutive _unique2 unique_dim bucketize searchsorted prod",
        "_fft_r2c _fft_c2r _fft_c2c",
    ),
    (
        _RANDOM,
        "normal_ uniform_ random_ randperm bernoulli bernoulli_ exponential_ geometric_ cauchy_ log_normal_",
        "multinomial normal poisson binomial rand randn randint",
    ),
)

FALLBACKS = {name: known for known, *lines in _TABLE for line in lines for name in line.split()}
"""What is known to fall back, by the operator's name without overload."""
