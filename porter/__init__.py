"""Move PyTorch code from NVIDIA GPUs to AWS Trainium: find what ties it to CUDA, rewrite it, keep it out.

As a library: see `docs/api.md`. ``import porter`` costs next to nothing; what is used is imported then.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # true for type checkers; to import `typing` takes longer than all of this

__version__ = "0.1.0"

__all__ = [
    "ConfigError",
    "Edit",
    "Effort",
    "Evidence",
    "Finding",
    "Fix",
    "Problem",
    "Report",
    "Rewrite",
    "Severity",
    "Verdict",
    "__version__",
    "check_paths",
    "rewrite_source",
]

if TYPE_CHECKING:
    from porter.api import (
        ConfigError,
        Edit,
        Effort,
        Evidence,
        Finding,
        Fix,
        Problem,
        Report,
        Rewrite,
        Severity,
        Verdict,
        check_paths,
        rewrite_source,
    )


def __getattr__(name: str) -> object:
    """Import the API when it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module("porter.api"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
