"""CUDA C++: kernels, runtime calls, libraries, and PyTorch's C++ interface to them.

A file is reported once for every family of constructs, where the first one stands: a kernel file would otherwise bury
every other finding. Comments and literals are skipped, but for raw strings: those hold kernels compiled at run time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from porter.index.site import Site
from porter.sources.files.view import View

# Families in the order in which they are tried, and what they match. Names are the catalogue's.
_FAMILIES = {
    "<<<>>>": r"<<<",
    "__global__": r"\b__global__\b|\b__launch_bounds__\b",
    "__device__": r"\b__device__\b|\b__shared__\b|\b__constant__\b|\b__forceinline__\b",
    "ATen/cuda": r"\b(?:ATen/(?:\w+/)*|torch/csrc/)cu(?:da|dnn)(?:/[\w./]*)?",
    "c10/cuda": r"\bc10/cuda/[\w.]*",
    "cuda_runtime.h": r"\bcuda(?:_runtime(?:_api)?|_fp16|_bf16|_fp8|_pipeline)?\.h(?:pp)?\b|\bcooperative_groups\b",
    "cub": r"\bcub(?:::|/)\w+",
    "thrust": r"\bthrust(?:::|/)\w+",
    "cutlass": r"\b(?:cutlass|cute)(?:::|/)\w+",
    "nvrtc": r"\bnvrtc\w+",
    "cublas": r"\bcublas\w*",
    "cudnn": r"\bcudnn\w*",
    "cufft": r"\bcu(?:fft|sparse|solver|rand)\w*",
    "nccl": r"\bnccl\w+",
    "nvtx": r"\bnvtx\w+|\bnvToolsExt\w*",
    "TORCH_LIBRARY_IMPL(CUDA)": r"\bTORCH_LIBRARY_IMPL\s*\([^(),]{1,100},\s*CUDA\b",
    "kCUDA": r"\bkCUDA\b|\bDeviceType::CUDA\b|\bDispatchKey::CUDA\b",
    "is_cuda()": r"\bis_cuda\s*\(|\bAT_ASSERT_CUDA\w*|\bCHECK_CUDA\b",
    "CUDAGuard": r"\b(?:Optional)?CUDAGuard(?:Impl)?\b|\bOptionalCUDAStreamGuard\b",
    "c10::cuda": r"\bc10::cuda::\w+|\bC10_CUDA_\w+",
    "at::cuda": r"\bat::cuda::\w+|\bAT_CUDA_\w+|\bgetCurrentCUDAStream\b",
    "cudaMalloc": r"\bcuda[A-Z]\w*",
    "cuLaunchKernel": r"\bcu(?:Launch|Module|Ctx|Mem|Stream|Event|Device|Func|Tensor|Init|Link)[A-Z]\w*|\bCUdevice\w*",
    "asm volatile": r"\basm\s+volatile\b|\b__asm__\s+volatile\b",
}
_NAMES = tuple(_FAMILIES)
_TOKEN = re.compile(
    r"""//[^\n]*|/\*(?:[^*]|\*(?!/))*"""
    r"""|\#[ \t]*include[ \t]*["<]"""  # what follows is read as code
    r"""|(?:\bR)"[^()\\\s]{0,16}\("""  # likewise
    r"""|"(?:\\.|[^"\\\n])*"|'(?:\\[^\n]{1,8}?|[^'\\\n])'"""
    + "".join(f"|({pattern})" for pattern in _FAMILIES.values()),
    re.ASCII,
)
_CUDA_ONLY = frozenset(["asm volatile"])  # also means x86 in a file that is not CUDA's


def scan_native(view: View, path: str) -> Iterator[Site]:
    """The sites of a C, C++ or CUDA file. A CUDA file has at least one: without any construct, ``*.cu``."""
    first: dict[str, re.Match[str]] = {}
    counts: dict[str, int] = dict.fromkeys(_NAMES, 0)
    for match in _TOKEN.finditer(view.text):
        if match.lastindex:
            name = _NAMES[match.lastindex - 1]
            first.setdefault(name, match)
            counts[name] += 1
    is_cuda = path.endswith((".cu", ".cuh", ".ptx"))
    if not is_cuda and not first.keys() - _CUDA_ONLY:
        return
    for name, match in first.items():
        times = f"{counts[name]} times in this file" if counts[name] > 1 else ""
        yield view.site("native", name, *match.span(), detail=times)
    if is_cuda and not first:
        yield view.site("native", "*.cu", 0, min(1, len(view.text)))
