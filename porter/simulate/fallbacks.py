"""Operators that the native backend hands to CPU, as far as its sources say."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """Why an operator falls back, with its source key and evidence letter (docs/policies.md lists both)."""

    reason: str
    source: str
    evidence: str


_EXPLICIT = Known("registered as a CPU fallback", "T-FB", "B")
_UNREGISTERED = Known("not registered in April's source", "T-OPS", "B")
_RANDOM = Known("random operators run on CPU and use its generator", "T-TESTS, DIF-TU", "A")

_TABLE = {
    _EXPLICIT: "linalg_qr linalg_svd _linalg_svd linalg_eigh _linalg_eigh linalg_cholesky_ex linalg_inv_ex linalg_lu_factor_ex "
    "linalg_ldl_factor_ex linalg_slogdet _linalg_slogdet linalg_det _linalg_det cholesky_inverse triangular_solve cholesky",
    _UNREGISTERED: "sort unique_consecutive _unique2 unique_dim bucketize searchsorted _fft_r2c _fft_c2r _fft_c2c prod "
    "bincount linalg_solve_triangular",
    _RANDOM: "normal_ uniform_ random_ randperm bernoulli bernoulli_ exponential_ geometric_ cauchy_ log_normal_ "
    "multinomial randn rand randint normal poisson",
}

FALLBACKS = {name: known for known, names in _TABLE.items() for name in names.split()}
"""Known fallbacks by the operator's base name."""
