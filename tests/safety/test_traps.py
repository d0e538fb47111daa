"""Nothing of a tree that porter looks at is imported or run: neither its modules, nor what they are configured with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# What porter and its commands might import by these names.
OTHERS = (
    *("click", "libcst", "msgspec", "packaging", "pathspec", "rich", "pygls", "lsprotocol", "tomli", "yaml", "attr"),
    *("torch", "numpy", "apex", "flash_attn", "transformers", "triton", "sitecustomize", "usercustomize"),
    *("conftest", "setup", "noxfile", "tasks", "porter_cases", "fabfile", "manage", "hubconf", "pytest", "_pytest"),
)
CODE = """\
open({mark!r}, "w").write(__file__)
import torch
from . import json, helpers
model = torch.nn.Linear(1, 1).cuda()
device = torch.device("cuda")
"""
PYPROJECT = """\
[build-system]
requires = ["trap"]
build-backend = "setup"
backend-path = ["."]

[project]
name = "trap"
dependencies = ["torch"]

[project.entry-points.pytest11]
trap = "conftest"

[project.entry-points."torch.backends"]
trap = "conftest:load"

[tool.pytest.ini_options]
addopts = "-p conftest"

[tool.mypy]
plugins = ["conftest"]
"""
PORTER = Path(sys.executable).with_name("porter")


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a module of the tree leaves when it runs; the tree is the working directory."""
    (tmp_path / "tree").mkdir()
    monkeypatch.chdir(tmp_path / "tree")
    return tmp_path / "sprung"


def _lay(mark: Path, *, beside: frozenset[str] = frozenset()) -> None:
    """A tree of modules that porter might import, but for the names in ``beside``."""
    code = CODE.format(mark=str(mark))
    for name in {*sys.stdlib_module_names, *OTHERS} - beside - {"__future__"}:
        Path(f"{name}.py").write_text(code)
    for package in ("helpers", "encodings", "collections", "email"):
        Path(package).mkdir()
        Path(package, "__init__.py").write_text(code)
    Path("pyproject.toml").write_text(PYPROJECT)
    Path("trap.pth").write_text(f"import os; os.system('touch {mark}')\n")
    Path("train.ipynb").write_text(json.dumps({"cells": [{"cell_type": "code", "source": [code]}]}))
    Path("requirements.txt").write_text("torch==2.1+cu118\n-e .\n-r /etc/passwd\n")
    Path("Dockerfile").write_text(f"FROM nvidia/cuda:12\nRUN touch {mark}\n")
    Path("run.sh").write_text(f"nvidia-smi; touch {mark}\n")
    Path("config.yaml").write_text(f'device: cuda\nx: !!python/object/apply:os.system ["touch {mark}"]\n')
    Path(".git").mkdir()  # and no repository
    Path(".git/config").write_text(f"[core]\n\tfsmonitor = touch {mark}\n[alias]\n\tls-files = !touch {mark}\n")


def _run(*command: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=300, env={**os.environ, **(environment or {})}
    )


COMMANDS = [
    ("check", "--select", "ALL", "--format", "full", "."),
    ("check", "-j", "2", "--format", "sarif", "."),
    ("scan", "."),
    ("rewrite", "--annotate", "."),
    ("rewrite", "--write", "train.ipynb"),
    ("explain", "torch.cuda.synchronize"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_command_runs_nothing_of_the_tree(command: tuple[str, ...], mark: Path) -> None:
    if not PORTER.exists():
        pytest.skip("porter is not installed as a command")
    _lay(mark)
    Path("porter.py").write_text(CODE.format(mark=str(mark)))
    done = _run(str(PORTER), *command)
    assert "internal error" not in done.stderr
    assert done.stdout or done.stderr
    assert not mark.exists(), mark.read_text()


@pytest.mark.parametrize("command", COMMANDS[:2], ids=" ".join)
def test_python_with_a_safe_path_runs_nothing_of_the_tree(command: tuple[str, ...], mark: Path) -> None:
    if sys.version_info < (3, 11):
        pytest.skip("Python has no -P yet")
    _lay(mark)
    assert _run(sys.executable, "-P", "-m", "porter", *command).returncode == 1
    assert not mark.exists(), mark.read_text()


def test_python_m_runs_only_what_python_itself_imports_first(mark: Path) -> None:
    """With ``-m``, Python looks into the working directory before a line of porter has run."""
    known = _run(sys.executable, "-c", "import sys, runpy, importlib.util; print(*sys.modules)").stdout.split()
    _lay(mark, beside=frozenset(name.partition(".")[0] for name in known))
    shutil.rmtree("collections")
    assert _run(sys.executable, "-m", "porter", *COMMANDS[0]).returncode == 1
    assert not mark.exists(), mark.read_text()


def test_the_traps_work(mark: Path) -> None:
    _lay(mark, beside=frozenset({"collections", "encodings"}))
    _run(sys.executable, "-c", "import csv")
    assert mark.exists()
