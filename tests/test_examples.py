"""The example is a real program before and after the port."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "minigpt"

# torch as it is where torch_neuronx is installed and no Neuron device is there.
NO_DEVICE = """
import runpy, sys, types
import torch

neuron = types.ModuleType("torch.neuron")
neuron.is_available = neuron.is_initialized = neuron._is_in_bad_fork = lambda: False
neuron.device_count = lambda: 0
neuron.manual_seed_all = lambda seed: None
neuron.get_amp_supported_dtype = lambda: [torch.bfloat16, torch.float16]
torch.utils.rename_privateuse1_backend("neuron")
torch._register_device_module("neuron", neuron)
sys.path.insert(0, ".")
runpy.run_path("train.py", run_name="__main__")
"""

trains = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("torch", "yaml")),
    reason="training needs torch and pyyaml: pip install torch pyyaml",
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the example in a git repository of its own."""
    copy = tmp_path / "minigpt"
    shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("__pycache__", "out"))
    subprocess.run(["git", "init", "--quiet"], cwd=copy, check=True)
    return copy


def porter(project: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "porter", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def train(project: Path) -> str:
    """Train on the CPU; returns the loss as printed."""
    options = ["--device", "cpu", "--steps", "2", "--workers", "0", "--batch-size", "4"]
    command = [sys.executable, "-c", NO_DEVICE, *options]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.partition("loss")[2].split()[0]


def test_the_patch_applies_and_leaves_nothing_to_rewrite(project: Path) -> None:
    patch = porter(project, "rewrite", ".", "--diff")
    assert "neuron" in patch
    subprocess.run(["git", "apply", "-"], cwd=project, input=patch, text=True, check=True)
    assert porter(project, "rewrite", ".", "--diff") == ""
    assert "neuron" in (project / "train.py").read_text(encoding="utf-8")


@trains
def test_the_ported_program_trains_as_before_on_a_cpu(project: Path) -> None:
    before = train(project)
    porter(project, "rewrite", ".", "--write")
    assert train(project) == before, "the loss after two steps"
