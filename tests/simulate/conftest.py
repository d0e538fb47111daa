"""The device is one for the whole process: what needs other settings, or a process of its own, runs in a child."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from porter.simulate.simulation import Simulation

ROOT = Path(__file__).parents[2]

if importlib.util.find_spec("torch") is None:
    collect_ignore_glob = ["test_*.py"]  # each file would say so itself; none of them can run


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "opdb: all of PyTorch's operator samples, for ten minutes (make opdb)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "opdb" in config.getoption("-m"):
        return
    for item in items:
        if item.get_closest_marker("opdb"):
            item.add_marker(pytest.mark.skip(reason="ten minutes: make opdb"))


@pytest.fixture(scope="session")
def simulation() -> Simulation:
    """The simulation of this process, with the policies at their defaults."""
    pytest.importorskip("torch", reason="the simulated device needs torch")
    import torch

    from porter.simulate import install

    torch.set_num_threads(1)
    return install()


@pytest.fixture
def trace(simulation: Simulation) -> Any:
    """The trace, with nothing in it yet."""
    simulation.trace.clear()
    return simulation.trace


Alone = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def alone(tmp_path: Path) -> Alone:
    """Runs a program in a process of its own, with the device if ``simulate`` is true: settings are its environment."""

    def run(program: str, *, simulate: bool = True, **environ: str) -> subprocess.CompletedProcess[str]:
        file = tmp_path / "program.py"
        start = "import torch\ntorch.set_num_threads(1)\n"
        if simulate:
            start += "from porter.simulate import install\nsimulation = install()\n"
        file.write_text(start + textwrap.dedent(program), encoding="utf-8")
        paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        return subprocess.run(
            [sys.executable, str(file)],
            env=os.environ | {"PYTHONPATH": paths} | environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run
