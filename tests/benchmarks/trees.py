"""The trees that are measured: real packages, pinned in tests/ecosystem/projects.toml, one beside the other."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from tests.ecosystem.download import provide
from tests.ecosystem.projects import load


class Tree(NamedTuple):
    """A tree by its name, which says about how many lines of Python it has."""

    name: str
    projects: tuple[str, ...]


TREES = (
    Tree("10 k", ("denoising-diffusion-pytorch",)),
    Tree("100 k", ("ultralytics", "open-clip-torch")),
    Tree("500 k", ("deepspeed", "megatron-core", "fairseq", "ultralytics")),
    Tree("1.2 M", ("transformers",)),
)


def plant(tree: Tree, cache: Path, folder: Path) -> None:
    """Copy the tree's packages into ``folder``. Exits with a message where one of them is not to be had."""
    projects = load(list(tree.projects))
    if failures := provide(projects, cache):
        sys.exit("\n".join(failures))
    for project in projects:
        ignored = shutil.ignore_patterns(".porter_cache", "__pycache__")
        shutil.copytree(project.tree(cache), folder / project.name, symlinks=True, ignore=ignored)


def lines(folder: Path) -> int:
    """How many lines of Python a tree has."""
    return sum(path.read_bytes().count(b"\n") for path in folder.rglob("*.py") if path.is_file())


def tied(folder: Path) -> Path:
    """The median, by size, of the files that use CUDA: one to change."""
    files = [path for path in folder.rglob("*.py") if path.is_file() and b"torch.cuda" in path.read_bytes()]
    return sorted(files, key=lambda path: (path.stat().st_size, path))[len(files) // 2]
