"""Record the public CUDA names of the installed torch: ``python -m tests.catalog.record``.

Needs a CPU build of torch, so that ``raises`` tells what a call does where there is no CUDA.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

RECORDED = Path(__file__).parent / "recorded"
SUBMODULES = (
    "amp",
    "amp.autocast_mode",
    "amp.common",
    "amp.grad_scaler",
    "comm",
    "gds",
    "graphs",
    "green_contexts",
    "jiterator",
    "memory",
    "nccl",
    "nvtx",
    "profiler",
    "random",
    "sparse",
    "streams",
    "tunable",
)
CLASSES = ("Stream", "ExternalStream", "Event", "CUDAGraph", "MemPool", "GreenContext")


def collect() -> dict[str, list[str]]:
    """``names``: qualified, sorted. ``raises``: those of them that raise when called without arguments."""
    warnings.simplefilter("ignore")
    import torch

    found: dict[str, Any] = {f"torch.cuda.{name}": getattr(torch.cuda, name) for name in torch.cuda.__all__}
    found |= {f"torch.cuda.{name}": getattr(torch.cuda, name) for name in ("OutOfMemoryError", "AcceleratorError")}
    for name in SUBMODULES:
        found |= _members(importlib.import_module(f"torch.cuda.{name}"))
    for name in CLASSES:
        found |= {f"torch.cuda.{name}.{member}": None for member in _public(getattr(torch.cuda, name))}
    found |= {f"torch.amp.GradScaler.{member}": None for member in _public(torch.amp.GradScaler)}
    found |= _members(importlib.import_module("torch.backends.cuda"))
    source = inspect.getsource(torch.backends.cuda.cuBLASModule)
    found |= {f"torch.backends.cuda.matmul.{name}": None for name in re.findall(r'name == "(\w+)"', source)}
    found |= {f"torch.backends.cuda.cufft_plan_cache.{name}": None for name in ("size", "max_size", "clear")}
    cudnn = torch.backends.cudnn
    found |= {f"torch.backends.cudnn.{name}": None for name in _public(type(cudnn))}
    functions = _defined(vars(cudnn)["m"])  # the module that the object of switches stands in for
    found |= {f"torch.backends.cudnn.{name}": value for name, value in functions}
    return {"names": sorted(found), "raises": sorted(name for name, value in found.items() if _raises(value))}


def _members(module: ModuleType) -> dict[str, Any]:
    names = getattr(module, "__all__", None) or [name for name, _ in _defined(module)]
    return {f"{module.__name__}.{name}": getattr(module, name) for name in names}


def _defined(module: ModuleType) -> Iterator[tuple[str, Any]]:
    for name, value in vars(module).items():
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__:
            yield name, value


def _public(owner: type) -> list[str]:
    return [name for name in dir(owner) if not name.startswith("_")]


def _raises(value: Any) -> bool:
    if not inspect.isfunction(value):
        return False
    try:
        inspect.signature(value).bind()
    except TypeError:
        return False  # needs arguments
    try:
        value()
    except Exception:
        return True
    return False


def main() -> None:
    """Write ``recorded/torch-<version>.json``."""
    import torch

    version = ".".join(torch.__version__.split(".")[:2])
    path = RECORDED / f"torch-{version}.json"
    path.write_text(json.dumps(collect(), indent=1) + "\n", encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
