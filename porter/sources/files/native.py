"""CUDA C++: kernels, runtime calls, libraries, and PyTorch's C++ interface to them.

A file is reported once for every family of constructs, where the first one stands: a kernel file would otherwise bury
every other finding. Comments and literals are skipped, but for raw strings: those hold kernels compiled at run time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from porter.index.site import Site
from porter.sources.files.view import View

# What each family matches, as whole words: patterns that begin with letters, for those are found fastest. Names are
# the catalogue's.
_FAMILIES: dict[str, tuple[str, ...]] = {
    "<<<>>>": (r"<<<",),
    "__global__": (r"__global__\b", r"__launch_bounds__\b"),
    "__device__": (r"__device__\b", r"__shared__\b", r"__constant__\b", r"__forceinline__\b"),
    "ATen/cuda": (r"ATen/(?:\w+/)*cu(?:da|dnn)(?:/[\w./]*)?", r"torch/csrc/cu(?:da|dnn)(?:/[\w./]*)?"),
    "c10/cuda": (r"c10/cuda/[\w.]*",),
    "cuda_runtime.h": (
        r"cuda(?:_runtime(?:_api)?|_fp16|_bf16|_fp8|_pipeline)?\.h(?:pp)?\b",
        r"cooperative_groups\b",
    ),
    "cub": (r"cub(?:::|/)\w+",),
    "thrust": (r"thrust(?:::|/)\w+",),
    "cutlass": (r"cutlass(?:::|/)\w+", r"cute(?:::|/)\w+"),
    "nvrtc": (r"nvrtc\w+",),
    "cublas": (r"cublas\w*",),
    "cudnn": (r"cudnn\w*",),
    "cufft": (r"cu(?:fft|sparse|solver|rand)\w*",),
    "nccl": (r"nccl\w+",),
    "nvtx": (r"nvtx\w+", r"nvToolsExt\w*"),
    "TORCH_LIBRARY_IMPL(CUDA)": (r"TORCH_LIBRARY_IMPL\s*\([^(),]{1,100},\s*CUDA\b",),
    "kCUDA": (r"kCUDA\b", r"DeviceType::CUDA\b", r"DispatchKey::CUDA\b"),
    "is_cuda()": (r"is_cuda\s*\(", r"AT_ASSERT_CUDA\w*", r"CHECK_CUDA\b"),
    "CUDAGuard": (r"CUDAGuard(?:Impl)?\b", r"OptionalCUDAGuard(?:Impl)?\b", r"OptionalCUDAStreamGuard\b"),
    "c10::cuda": (r"c10::cuda::\w+", r"C10_CUDA_\w+"),
    "at::cuda": (r"at::cuda::\w+", r"AT_CUDA_\w+", r"getCurrentCUDAStream\b"),
    "cudaMalloc": (r"cuda[A-Z]\w*",),
    "cuLaunchKernel": (
        r"cu(?:Launch|Module|Ctx|Mem|Stream|Event|Device|Func|Tensor|Init|Link)[A-Z]\w*",
        r"CUdevice\w*",
    ),
    "asm volatile": (r"asm\s+volatile\b", r"__asm__\s+volatile\b"),
}
_PATTERNS = tuple((name, re.compile(p, re.ASCII)) for name, patterns in _FAMILIES.items() for p in patterns)
# Comments and literals. What follows an #include, and what a raw string holds, is read as code.
_SKIPPED = re.compile(
    r"""//[^\n]*|/\*(?:[^*]|\*(?!/))*|\#[ \t]*include[ \t]*["<]|\bR"[^()\\\s]{0,16}\("""
    r"""|"(?:\\.|[^"\\\n])*"|'(?:\\[^\n]{1,8}?|[^'\\\n])'""",
    re.ASCII,
)
# Code for AMD's GPUs has kernels of the same syntax.
_ROCM = re.compile(r"\bhip/hip_\w+\.h|\bck(?:_tile)?/[\w/]+\.hpp|\b(?:hipcub|rocprim|rocblas|hipblas)/")
_CUDA = re.compile(r"cuda|cudnn|nccl|cub::|thrust::", re.IGNORECASE)
_CUDA_ONLY = frozenset(["asm volatile"])  # also means x86 in a file that is not CUDA's


def scan_native(view: View, path: str) -> Iterator[Site]:
    """The sites of a C, C++ or CUDA file. A CUDA file has at least one: without any construct, ``*.cu``."""
    code = _SKIPPED.sub(_blank, view.text)
    if _ROCM.search(code) and not _CUDA.search(code):
        return
    first: dict[str, re.Match[str]] = {}
    counts: dict[str, int] = {}
    for name, pattern in _PATTERNS:
        found = list(pattern.finditer(code))
        for match in found:
            if name == "<<<>>>" or not _is_word(code[match.start() - 1 : match.start()]):
                counts[name] = counts.get(name, 0) + 1
                if name not in first or match.start() < first[name].start():
                    first[name] = match
        if found:  # what one family has matched is no other's
            code = pattern.sub(lambda match: " " * len(match.group()), code)
    is_cuda = path.endswith((".cu", ".cuh", ".ptx"))
    if not is_cuda and not first.keys() - _CUDA_ONLY:
        return
    for name, match in first.items():
        times = f"{counts[name]} uses in this file" if counts[name] > 1 else ""
        yield view.site("native", name, *match.span(), detail=times)
    if is_cuda and not first:
        yield view.site("native", "*.cu", 0, min(1, len(view.text)))


def _blank(match: re.Match[str]) -> str:
    """Spaces for a comment or literal; the beginning of what is read as code stays."""
    text = match.group()
    return text if text[0] in "#R" else " " * len(text)


def _is_word(character: str) -> bool:
    return character.isascii() and (character.isalnum() or character == "_")
