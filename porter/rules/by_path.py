"""Which device a file is for by its path: the folders and names of other vendors, and files beside CUDA's own."""

from __future__ import annotations

import re

from porter.rules.base import Context
from porter.rules.sisters import FOR_GPU, OTHERS

# Folders and files of other vendors' code: ROCm's calls its devices `cuda`.
_OTHER_VENDOR = re.compile(r"(?:^|[/_.-])(amd|rocm|hip|xpu|ipex|npu|musa|mlu|hpu|gaudi|tpu)(?=[/_.-])", re.I)
_OTHER_DEVICE = re.compile(r"(cpu|mps|xla|sdaa|mthreads|supa)_(\w+)$", re.I)
_FOR_CUDA = re.compile(r"cuda|gpu|nvidia", re.I)


def another(ctx: Context) -> str | None:
    """The device, not CUDA, that a file is for: by its path, or beside a file of the same name for CUDA."""
    found = _OTHER_VENDOR.search(ctx.source.path)
    if found is not None:
        return found[1]
    package, _, name = ctx.module.rpartition(".")
    sister = _OTHER_DEVICE.match(name)
    if sister is None or not ctx.project.has(f"{package}.cuda_{sister[2]}".lstrip(".")):
        return None
    return sister[1]


def beside_others(ctx: Context) -> str | None:
    """The folder of a file that is one device's, not CUDA's: `sdaa/a.py` beside `npu/a.py` and `hpu/a.py`."""
    folder = ctx.source.path.rpartition("/")[0]
    around, _, name = folder.rpartition("/")
    if _FOR_CUDA.search(name):
        return None
    files = ctx.project.files
    own = set(files.get(folder, ())) - {"__init__.py"}
    alike = [device for device in OTHERS if device != name and own.intersection(files.get(f"{around}/{device}", ()))]
    return name if len(alike) > 1 else None


def cuda_beside(others: tuple[str, ...], ctx: Context) -> str | None:
    """The file for another device beside one that is CUDA's own: `device_tpu.py` by `device_gpu.py`."""
    package, _, name = ctx.module.rpartition(".")
    own = FOR_GPU.search(name)
    if own is None:
        return None
    names = (f"{name[: own.start()]}{other}{name[own.end() :]}" for other in others if other)
    return next((f"{other}.py" for other in names if ctx.project.has(f"{package}.{other}".lstrip("."))), None)
