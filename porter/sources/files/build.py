"""Makefiles and CMake: CUDA compilers, toolkits, libraries and architectures."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from porter.index.site import Site
from porter.sources.files.commands import scan_shell
from porter.sources.files.values import is_cuda_variable
from porter.sources.files.view import BLANKS, View

_ASSIGNMENT = re.compile(r"[ ]*(?:export[ \t]+|override[ \t]+)?([A-Za-z_]\w*)[ \t]*(?:[:?+!]{0,3}=)", re.ASCII)
_TARGET = re.compile(r"([\w./-]+)[ \t]*:(?!=)", re.ASCII)
_PREFIX = BLANKS + "@+-"  # of a recipe line

# CMake constructs and what they match. Each is reported once a file.
_CMAKE = {
    "find_package(CUDA)": r"find_package\s*\(\s*(?:CUDA|CUDAToolkit|CUDNN|NCCL)\b",
    "enable_language(CUDA)": r"(?:enable_language|project)\s*\([^()]{0,400}?\bCUDA\b",
    "CUDA_ARCHITECTURES": r"\b(?:CMAKE_)?CUDA_ARCHITECTURES\b|\bTORCH_CUDA_ARCH_LIST\b",
    "CUDA_NVCC_FLAGS": r"\bCUDA_NVCC_FLAGS\b|\bCMAKE_CUDA_(?:FLAGS|COMPILER|STANDARD)",
    "cuda_add_library": r"\bcuda_(?:add_library|add_executable|compile)\b",
    "CUDA::": r"\bCUDA::\w+|\bCUDA_(?:\w+_)?LIBRAR(?:Y|IES)\b",
}
_TOKEN = re.compile(
    r"\#\[\[(?:[^\]]|\](?!\]))*|\#[^\n]*|" + "|".join(f"({pattern})" for pattern in _CMAKE.values()),
    re.ASCII | re.IGNORECASE,
)
_NAMES = tuple(_CMAKE)


def scan_make(view: View) -> Iterator[Site]:
    """A Makefile: variables, and the shell text of recipes and values, in the scope of their target."""
    target = ""
    seen: set[str] = set()
    for begin, end in _logical_lines(view):
        assignment = _ASSIGNMENT.match(view.text, begin, end)
        given = seen
        if assignment and is_cuda_variable(assignment[1]):
            yield view.site("environment", assignment[1], *assignment.span(1), role="store")
            given = seen | {"toolkit"}  # which is part of that
        value = view.text[assignment.end() if assignment else begin : end].lstrip(_PREFIX)
        if found := _TARGET.match(view.text, begin, end):
            target = found[1]
        for site in scan_shell(view.cut(end - len(value), end), given):
            yield msgspec.structs.replace(site, scope=target)


def _logical_lines(view: View) -> Iterator[tuple[int, int]]:
    start = 0
    for line in view.lines():
        if not line.value.endswith("\\"):
            yield start, line.end
            start = line.end + 1
    if start < len(view.text):
        yield start, len(view.text)


def scan_cmake(view: View) -> Iterator[Site]:
    """CMakeLists.txt and modules of CMake."""
    first: dict[str, re.Match[str]] = {}
    for match in _TOKEN.finditer(view.text):
        if match.lastindex:
            first.setdefault(_NAMES[match.lastindex - 1], match)
    for name, match in first.items():
        yield view.site("native", name, *match.span(), detail=match.group())
