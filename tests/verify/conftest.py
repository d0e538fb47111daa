"""A small program in two trees, as people have it: what it was and what it became."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from porter.cli import main

ROOT = Path(__file__).parents[2]

MODEL = """
import torch
from torch import nn


class Scale(nn.Module):
    def forward(self, x):
        return x * 0.5


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(16, 32)
        self.scale = Scale()
        self.head = nn.Linear(32, 4)

    def forward(self, x):
        return self.head(torch.tanh(self.scale(self.inner(x))))
"""

CASES = """
def net(device):
    import torch
    from torch.nn import functional as F
    from model import Net

    return {
        "model": Net(),
        "inputs": torch.randn(8, 16),
        "targets": torch.randint(4, (8,)),
        "loss": F.cross_entropy,
    }


def trained(device):
    import torch

    return {**net(device), "optimizer": lambda model: torch.optim.SGD(model.parameters(), lr=0.1)}


CASES = {"net": {"factory": net}, "trained": {"factory": trained}}
"""


class Program:
    """A folder with `original/`, `port/` and `porter_cases.py`, and the command on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if folder.exists():
            return
        self.write("original/model.py", MODEL)
        self.write("port/model.py", MODEL)
        self.write("porter_cases.py", CASES)

    def write(self, name: str, text: str) -> None:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def change(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text(encoding="utf-8")
        assert old in text
        self.write(name, text.replace(old, new))

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        """`porter verify` on the case `net` (or on that which ``options`` name), in the folder."""
        return porter_verify(self.folder, *options, *(() if "--case" in options else ("--case", "net")))

    def outcome(self, *options: str, status: int) -> dict[str, Any]:
        """The one outcome in the JSON report of a run that ends with ``status``."""
        done = self.run("--format", "json", *options)
        assert done.returncode == status, done.stdout + done.stderr
        (outcome,) = json.loads(done.stdout)["outcomes"]
        assert isinstance(outcome, dict)
        return outcome


def porter_verify(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """`porter verify` in a folder. It is this process that compares; the program's code runs in others, as always."""
    out, err = io.StringIO(), io.StringIO()
    before = Path.cwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(["verify", *options])
    finally:
        os.chdir(before)
    return subprocess.CompletedProcess(["porter", "verify", *options], status, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def _frozen(tmp_path_factory: pytest.TempPathFactory) -> tuple[Program, dict[str, Any]]:
    """A program whose oracles are frozen, and the outcomes of the run that froze them, by case."""
    program = Program(tmp_path_factory.mktemp("frozen") / "program")
    done = program.run("--backend", "cpu", "--case", "net", "--case", "trained", "--format", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    return program, {outcome["case"]: outcome for outcome in json.loads(done.stdout)["outcomes"]}


@pytest.fixture
def faithful(_frozen: tuple[Program, dict[str, Any]]) -> dict[str, Any]:
    """The outcomes of a port that is as good as the original, by case."""
    return _frozen[1]


@pytest.fixture
def program(_frozen: tuple[Program, dict[str, Any]], tmp_path: Path) -> Program:
    """A copy of a program whose oracles are frozen: most tests need no other."""
    shutil.copytree(_frozen[0].folder, tmp_path / "program")
    return Program(tmp_path / "program")


@pytest.fixture
def fresh(tmp_path: Path) -> Program:
    """A program without oracles."""
    return Program(tmp_path / "fresh")
