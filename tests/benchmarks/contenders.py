"""What is measured: porter in its ways, and the tools that people use for the like, each with the same few names.

Peers are installed, by name and version, into an environment of their own among the user's caches.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.cost import PORTER

PACKAGES = ("ruff==0.17.6", "ast-grep-cli==0.51.1", "torchfix==0.7.0")

# What the peers are asked for. A name stands for all that is below it.
NAMES = (
    *("torch.cuda", "torch.backends.cuda", "torch.backends.cudnn", "torch.distributed.is_nccl_available"),
    *("torch.nn.DataParallel", "torch.utils.cpp_extension.CUDAExtension"),
    *("apex", "bitsandbytes", "cupy", "flash_attn", "numba.cuda", "pycuda", "pynvml", "triton", "xformers"),
)
METHODS = ("cuda", "is_cuda", "pin_memory")
WORDS = "cuda|nccl"

REFERENCE = "ruff check"


class Contender(NamedTuple):
    """A command that is measured on trees; ``{scratch}`` in it is a folder for a tree's runs."""

    name: str
    command: tuple[str, ...]
    finding: bytes = rb"^[^\n:]+:\d+:"  # what it prints for each
    runs: int = 3
    warm: bool = False  # runs once before it is measured
    changed: bool = False  # one file changes before each run
    most: float = float("inf")  # lines of a tree on which it is measured


def contenders(folder: Path) -> tuple[Contender, ...]:
    """All of them; the peers are in an environment in ``folder``."""
    tools = peers(folder)
    check = (*PORTER, "--format", "concise")
    cached = (*check, "--cache-dir", "{scratch}/cache")
    rewrite = (*PORTER[:3], "rewrite", *PORTER[4:], "--diff", "--no-cache", "--jobs", "1")
    ruff = (str(tools / "ruff"), "check", "--isolated", "--no-cache", "--quiet", "--output-format", "concise")
    return (
        Contender("git grep", ("git", "grep", "--no-index", "-nIiE", WORDS)),
        Contender(REFERENCE, ruff),
        Contender("ruff check, banned-api", (*ruff, "--select", "TID251", *banned())),
        Contender("ast-grep", (str(tools / "ast-grep"), "scan", "--report-style", "short", "--inline-rules", rule())),
        Contender("porter check, cold", (*check, "--no-cache", "--jobs", "1")),
        Contender("porter check, cold, 2 processes", (*check, "--no-cache", "--jobs", "2")),
        Contender("porter check, nothing changed", cached, warm=True),
        Contender("porter check, one file changed", cached, warm=True, changed=True),
        Contender("porter rewrite", rewrite, rb"^@@ "),
        Contender("TorchFix", (str(tools / "torchfix"), "--select", "ALL", "-j", "1", "."), runs=1, most=50_000),
    )


def banned() -> list[str]:
    """Options by which ruff bans the names."""
    key = "lint.flake8-tidy-imports.banned-api"
    return [word for name in NAMES for word in ("--config", f'{key}."{name}".msg = "CUDA"')]


def rule() -> str:
    """The names, methods and words as a rule of ast-grep (JSON is YAML)."""
    uses = [{"pattern": name} for name in (*NAMES, *(f"$OBJECT.{method}" for method in METHODS))]
    texts = [{"kind": "string_content", "regex": WORDS}]
    return json.dumps({"id": "cuda", "language": "python", "message": "CUDA", "rule": {"any": [*uses, *texts]}})


def peers(folder: Path) -> Path:
    """Where the programs of the peers lie, installed if they are not there yet."""
    tools = folder / ("Scripts" if os.name == "nt" else "bin")
    stamp = folder / "installed.txt"
    wanted = "\n".join(PACKAGES)
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        print(f"installing {', '.join(PACKAGES)} into {folder}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(tools / "python"), "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
        stamp.write_text(wanted, encoding="utf-8")
    return tools
