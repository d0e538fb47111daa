"""Which Neuron device there is: the one of torch_neuronx, or the simulated one."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from functools import partial

import msgspec

INDEX = "https://pip.repos.neuron.amazonaws.com"
INSTALL = f'pip install "torch-neuronx==2.14.*" "neuronx-cc==2.*" nki --extra-index-url {INDEX}'  # facts: D-UPD
ELSEWHERE = "use an environment without that package"
PATIENCE = 300  # seconds: the vendor's runtime may take its time to look for devices

# In a process of its own: looking for devices may initialise the runtime, which must not be before init_process_group.
_PROBE = """
import json
import torch
answer = {}
try:
    import torch_neuronx
    answer["version"] = str(getattr(torch_neuronx, "__version__", ""))
except ImportError as error:
    answer["missing"] = str(error)
else:
    answer["devices"] = torch.neuron.device_count() if torch.neuron.is_available() else 0
print("porter:" + json.dumps(answer))
"""
_MARK = "porter:"


class LaunchError(Exception):
    """The program cannot be started as asked. The message says why, and what to do."""


class Device(msgspec.Struct, frozen=True):
    """The device that was chosen: what it is, in words, and why it is that one."""

    simulated: bool
    about: str
    why: str


class _Found(msgspec.Struct):
    """What a process that imported torch_neuronx says."""

    version: str = ""
    devices: int = 0
    missing: str | None = None


def choose(wanted: str) -> Device:
    """The device for ``wanted``: `auto`, `sim` or `neuron`. Does not import torch here. Raises LaunchError."""
    if importlib.util.find_spec("torch") is None:
        raise LaunchError("PyTorch is not installed here: pip install 'trn-porter[verify]'")
    if importlib.util.find_spec("torch_neuronx") is None:
        return _without(wanted, "torch_neuronx is not installed here", f"install it: {INSTALL}")
    found = _probe()
    if found.missing is not None:
        return _without(wanted, *_unusable(found.missing))
    package = f"torch_neuronx {found.version}".rstrip()
    if wanted == "sim":
        raise LaunchError(f"{package} is installed here, and the simulated device cannot stand beside it: {ELSEWHERE}")
    if not found.devices:
        raise LaunchError(
            f"{package} is installed here but finds no device: run on a Trn2 or Trn3 instance; to simulate the device, "
            f"{ELSEWHERE}"
        )
    return Device(False, package, f"{found.devices} device{'s' if found.devices > 1 else ''}")


def _without(wanted: str, why: str, remedy: str) -> Device:
    """The simulated device, unless the real one must be."""
    if wanted == "neuron":
        raise LaunchError(f"{why}; {remedy}")
    return Device(True, "the simulated Neuron device", why)


def _unusable(error: str) -> tuple[str, str]:
    """What is wrong with a torch_neuronx that cannot be imported, and what to do."""
    if "WRONG PACKAGE" in error.upper() or "pip.repos.neuron" in error:
        return (
            "the torch_neuronx installed here is the placeholder from PyPI, not the vendor's package",
            f"uninstall it and take the vendor's: {INSTALL}",
        )
    reason = error.strip().partition("\n")[0]
    return f"the torch_neuronx installed here cannot be imported ({reason})", "repair its installation"


def _probe() -> _Found:
    """Ask a process of its own what torch_neuronx is and finds. Raises LaunchError where not even torch can be used."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PORTER_")}
    run = partial(subprocess.run, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    try:
        done = run([sys.executable, "-c", _PROBE], env=environment, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise LaunchError(f"torch_neuronx did not say within {PATIENCE} s which devices it finds") from None
    answers = [line for line in done.stdout.splitlines() if line.startswith(_MARK)]
    if not answers:
        *_, last = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise LaunchError(f"torch cannot be imported here: {last}")
    return msgspec.json.decode(answers[-1].removeprefix(_MARK), type=_Found)
