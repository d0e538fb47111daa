"""What is CUDA's by its name: code, calls, classes and values of a program that are for CUDA, rather than use it."""

from __future__ import annotations

import re

# Code that means CUDA by its name: an arm of an abstraction, which wants another arm and not another name.
ARM = re.compile(
    r"(?:^|\.)(?:_*(?:Cuda[A-Z_]\w*|CUDA\w*"
    r"|(?=[A-Z])(?!\w{0,60}Test)\w{0,60}[a-z0-9](?<!To)_?C(?:uda|UDA)(?:[A-Z]\w{0,60})?"  # bounded: no squares
    r"|cuda|half|(?:is|has|num|check|get)_cuda\w*|only_cuda\w*|(?:only|with|requires?|needs?)_?CUDA\w*)"
    r"|\w*cuda_(?:is_)?available)(?:\.|$)"
)
# What the program has of its own for CUDA, rather than to use CUDA: `dtw_cuda`, `CUDAPrefetcher`, not `move_to_cuda`.
OWN_KERNEL = re.compile(
    r"(?<!to)(?<!on)(?<!is)(?<!use)(?<!has)(?<!init)(?<!check)(?<!sync)_cuda(?:_kernel)?(?:_(?:forward|backward|fwd|bwd))?$"
    r"|(?:^|\.)_*(?:CUDA|Cuda[A-Z_])\w*$"
)
# A class: `CUDAPrefetcher`.
OWN_CLASS = re.compile(r"_*(?:CUDA|Cuda[A-Z_])")
# A value that a program has for CUDA: `self.cuda_config`, not `use_cuda`.
OWN_VALUE = re.compile(r"(?:^|[._])cuda_(?!device|available)\w|(?<!use)(?<!is)(?<!has)(?<!to)_cuda$", re.I)
_ROCM = re.compile(r"(?:^|_)(?:hip|rocm)(?:_|$)", re.I)
_NOT_ROCM = re.compile(r"cuda|nvidia|skip|not?_", re.I)


def is_rocm(name: str) -> bool:
    """Whether a function or class is ROCm's by its name, and none that tells ROCm from CUDA or skips it."""
    return _ROCM.search(name) is not None and _NOT_ROCM.search(name) is None
