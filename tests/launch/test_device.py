"""The contract with torch_neuronx: which device is taken, and what is said where none can be.

No Neuron hardware is needed: `double` puts a TEST DOUBLE of torch_neuronx in front of all that can be imported. Like
the vendor's package it makes `neuron` a device of torch through the entry point that `import torch` calls.
"""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from tests.launch.program import parts, porter, write

DOUBLE = '''
"""A test double of torch_neuronx. Not the vendor's package."""

import os
import types

import torch

__version__ = "2.14.3.0+test.double"


def get_executed_ops():
    return {"aten::mm": 3, "aten::linalg_qr": 1}


def get_fallback_ops():
    return ["aten::linalg_qr"]


def _autoload():
    pass


device = types.ModuleType("torch.neuron")
device.is_available = lambda: bool(device.device_count())
device.device_count = lambda: int(os.environ.get("DOUBLE_DEVICES", "4"))
device.current_device = lambda: 0
device._is_in_bad_fork = lambda: False
device.manual_seed_all = lambda seed: None
torch.utils.rename_privateuse1_backend("neuron")
torch._register_device_module("neuron", device)
'''
PLACEHOLDER = """
raise ImportError("WRONG PACKAGE. Please install the package from Neuron Repository - pip.repos.neuron.amazonaws.com")
"""
BROKEN = 'raise ImportError("libnrt.so.1: cannot open shared object file")\n'
PROGRAM = """
import sys
import torch

print(torch.device("neuron"), torch.neuron.device_count(), "porter.simulate.setup" in sys.modules)
"""


def double(text: str = DOUBLE) -> str:
    """Write a torch_neuronx into a folder, and return what goes before everything that Python imports from."""
    write("site/torch_neuronx/__init__.py", text)
    if text == DOUBLE:
        info = "site/torch_neuronx-2.14.3.0.dist-info"
        write(f"{info}/METADATA", "Metadata-Version: 2.1\nName: torch-neuronx\nVersion: 2.14.3.0\n")
        write(f"{info}/entry_points.txt", "[torch.backends]\nneuron = torch_neuronx:_autoload\n")
    return str(Path("site").absolute())


@pytest.mark.parametrize("wanted", ["auto", "neuron"])
def test_the_real_device_is_taken_where_there_is_one(wanted: str) -> None:
    write("train.py", PROGRAM)
    done = porter("--device", wanted, "train.py", path=double())
    assert (done.returncode, done.stdout) == (0, "neuron 4 False\n"), done.stderr
    assert done.stderr.startswith("porter: running on torch_neuronx 2.14.3.0+test.double (4 devices)\n")
    summary = parts(done.stderr)[1]
    assert summary.startswith("4 operators ran on torch_neuronx 2.14.3.0+test.double.\n")
    assert "simulated" not in summary
    fallbacks = summary[summary.index("These ran on CPU:") :].splitlines()
    assert fallbacks[1].split()[:2] == ["1", "aten::linalg_qr"]


def test_what_still_asks_for_cuda_is_told_on_the_real_device_too() -> None:
    write("train.py", "import torch\n\ntorch.zeros(2).cuda()\n")
    done = porter("train.py", path=double())
    assert done.returncode == 1
    assert "train.py:3 needs CUDA" in done.stderr


def test_the_simulation_cannot_stand_beside_the_real_package() -> None:
    write("train.py", PROGRAM)
    done = porter("--device", "sim", "train.py", path=double())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("porter: torch_neuronx 2.14.3.0+test.double is installed here, and the simulated")
    assert done.stderr.endswith("cannot stand beside it: use an environment without that package\n")


def test_a_machine_without_a_device() -> None:
    write("train.py", PROGRAM)
    done = porter("train.py", path=double(), DOUBLE_DEVICES="0")
    assert (done.returncode, done.stdout) == (2, "")
    assert "finds no device: run on a Trn2 or Trn3 instance" in done.stderr
    assert "use an environment without that package" in done.stderr


def test_the_placeholder_is_no_device() -> None:
    path = double(PLACEHOLDER)
    write("train.py", PROGRAM)
    done = porter("--device", "neuron", "train.py", path=path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "placeholder from PyPI, not the vendor's package" in done.stderr
    assert "--extra-index-url https://pip.repos.neuron.amazonaws.com" in done.stderr
    assert "Traceback" not in done.stderr
    done = porter("train.py", path=path)
    assert (done.returncode, done.stdout) == (0, "neuron 2 True\n"), done.stderr
    assert done.stderr.startswith("porter: running on the simulated Neuron device (the torch_neuronx installed here")


def test_without_the_package() -> None:
    write("train.py", PROGRAM)
    done = porter("--device", "neuron", "train.py")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("porter: torch_neuronx is not installed here; install it: pip install")


def test_a_package_that_cannot_be_imported() -> None:
    write("train.py", PROGRAM)
    done = porter("--device", "neuron", "train.py", path=double(BROKEN))
    assert done.returncode == 2
    assert "cannot be imported (libnrt.so.1: cannot open shared object file)" in done.stderr


def test_without_torch() -> None:
    write("train.py", PROGRAM)
    write("hide/sitecustomize.py", "import sys\n\nsys.modules['torch'] = None\n")
    done = porter("train.py", path=str(Path("hide").absolute()))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "porter: PyTorch is not installed here: pip install 'trn-porter[verify]'\n"
