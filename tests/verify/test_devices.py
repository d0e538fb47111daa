"""The backends that are not the CPU: the simulated device, and the vendor's package by its contract."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from porter.verify.execute import environment, work
from tests.verify.conftest import ROOT, Program

pytest.importorskip("torch", reason="porter verify needs torch")

STAND_IN = '''
"""Stands for torch_neuronx 2.14: what its documentation names, over porter's simulated device, noting each call."""

import atexit, importlib.util, json, os, sys

_me, _find = sys.modules[__name__], importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "torch_neuronx" else _find(name, *more)
del sys.modules[__name__]
from porter import simulate

simulation = simulate.install()
importlib.util.find_spec = _find
sys.modules[__name__] = _me

import torch

__version__ = "2.14.3.0"
calls = []


def _noting(name, function):
    def call(*args, **kwargs):
        calls.append(name)
        return function(*args, **kwargs)

    return call


for _name in ("is_available", "current_device", "synchronize", "get_device_name"):
    setattr(torch.neuron, _name, _noting(_name, getattr(torch.neuron, _name)))
torch.neuron.get_device_name = lambda: "trn2"
AVAILABLE
clear_op_tracking = _noting("clear_op_tracking", simulation.trace.clear)
get_executed_ops = _noting("get_executed_ops", lambda: {"aten::addmm": 20})
get_fallback_ops = _noting("get_fallback_ops", lambda: ["aten::sort"])
atexit.register(lambda: open(os.environ["CONTRACT_LOG"], "w").write(json.dumps(calls)))
'''


@pytest.fixture
def vendor(tmp_path: Path) -> Path:
    """A folder that holds a package `torch_neuronx` and the metadata of the SDK's packages."""
    folder = tmp_path / "vendor"
    (folder / "torch_neuronx").mkdir(parents=True)
    (folder / "torch_neuronx" / "__init__.py").write_text(STAND_IN.replace("AVAILABLE", ""), encoding="utf-8")
    for name, version in (("torch_neuronx", "2.14.3.0"), ("neuronx_cc", "2.28.7631.0")):
        metadata = folder / f"{name}-{version}.dist-info" / "METADATA"
        metadata.parent.mkdir()
        metadata.write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n")
    return folder


def test_the_vendors_package_is_used_as_documented(program: Program, vendor: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "porter", "verify", "--backend", "neuron", "--format", "json", "--case", "trained"],
        cwd=program.folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(vendor), str(ROOT))),
            "CONTRACT_LOG": str(vendor / "calls.json"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (outcome,) = json.loads(done.stdout)["outcomes"]
    assert outcome["verdict"] == "PASS"
    assert outcome["place"].startswith("trn2 (neuron:0), PyTorch ")
    assert outcome["place"].endswith("torch-neuronx 2.14.3.0, neuronx-cc 2.28.7631.0")
    assert outcome["counters"] == {"operators": {"aten::addmm": 20}, "cpu_fallbacks": ["aten::sort"]}
    calls = json.loads((vendor / "calls.json").read_text())
    assert calls[0] == "is_available"
    assert calls.count("synchronize") == 5, "each step waits for the device"
    assert calls.index("clear_op_tracking") < calls.index("synchronize") < calls.index("get_executed_ops")
    assert any("not one bit differs" in warning for warning in outcome["warnings"]), "too good to be true of hardware"


@pytest.mark.parametrize(
    ("package", "reason"),
    [
        (STAND_IN.replace("AVAILABLE", "torch.neuron.is_available = lambda: False"), "finds no NeuronCore"),
        ('raise ImportError("WRONG PACKAGE. Please install it from elsewhere")', "pip.repos.neuron.amazonaws.com"),
        ("", "it is the XLA package"),
        (STAND_IN.replace("AVAILABLE", "").replace('"2.14.3.0"', '"0+simulated.by.porter"'), "is the backend sim"),
    ],
    ids=["no core", "placeholder", "XLA's package", "simulator"],
)
def test_what_is_not_the_vendors_device(vendor: Path, package: str, reason: str) -> None:
    (vendor / "torch_neuronx" / "__init__.py").write_text(package, encoding="utf-8")
    variables = {"PYTHONPATH": os.pathsep.join((str(vendor), str(ROOT))), "CONTRACT_LOG": os.devnull}
    job = {"kind": "probe", "backend": "neuron", "root": str(vendor)}
    answer = work(job, folder=vendor, out=vendor / "out", environment=environment(**variables), timeout=60)
    assert answer["status"] == "unavailable", answer
    assert reason in answer["reason"]


def test_the_simulated_device_agrees_and_says_what_it_does_not_show(program: Program) -> None:
    done = program.run("--backend", "sim", "--case", "trained")
    assert done.returncode == 0, done.stdout
    assert "simulated Neuron device, PyTorch" in done.stdout
    assert "It does not show what" in " ".join(done.stdout.split())


def test_a_port_that_mixes_devices_fails_on_the_simulated_device(program: Program) -> None:
    program.change("port/model.py", "return x * 0.5", 'return x * torch.full((32,), 0.5, device="cpu")')
    outcome = program.outcome("--backend", "sim", status=1)
    assert outcome["verdict"] == "FAIL"
    assert "device" in outcome["reason"]
