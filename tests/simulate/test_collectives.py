"""torch.distributed on the device: what gloo computes on CPU, in a group that serves the device alone."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from tests.simulate import workers

pytestmark = pytest.mark.usefixtures("simulation")
_KNOWN = {"facts", "refused", "again"}


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each rank found on the device."""
    return workers.run("collectives", "neuron", str(tmp_path_factory.mktemp("store") / "file"))


@cache
def _cpu() -> list[dict[str, Any]]:
    return workers.run("collectives", "cpu")


def test_results_are_those_of_cpu(device: list[dict[str, Any]]) -> None:
    for found, expected in zip(device, _cpu(), strict=True):
        assert {name: value for name, value in found.items() if name not in _KNOWN} == expected
        assert len(expected) > 20


def test_every_operator_of_c10d_was_used(device: list[dict[str, Any]]) -> None:
    import torch

    named = {name for name in torch._C._dispatch_get_all_op_names() if name.startswith("c10d::")}
    unused = {
        "c10d::check_for_nan",
        "c10d::allgather_coalesced_",  # has no function in Python
        "c10d::recv_any_source_",  # refused: test_policies.py
        "c10d::monitored_barrier_",  # refused by PyTorch: below
    }
    assert named - {name for found in device for name in found["facts"]["operators"]} == unused


def test_a_process_is_on_the_core_of_its_rank(device: list[dict[str, Any]]) -> None:
    for rank, found in enumerate(device):
        facts = found["facts"]
        assert (facts["current"], facts["count"], facts["visible"]) == (rank, 2, str(rank))
        assert facts["where"] == [f"neuron:{rank}", f"neuron:{rank}"]
        assert (facts["backend"], facts["default"], facts["available"]) == ("neuron", "neuron", True)


def test_what_is_refused(device: list[dict[str, Any]]) -> None:
    for rank, found in enumerate(device):
        refused = found["refused"]
        assert "No backend type associated with device type cpu" in refused["cpu"]
        assert f"Valid range is {rank} to {rank} for this process" in refused["index"]
        assert refused["monitored_barrier"].startswith("ValueError: monitored_barrier is only implemented for GLOO")
        assert refused["shape"].startswith("RuntimeError")
        assert "does not support splitting" in refused["split"]  # a mesh on a group that is bound to a device
    assert "timed out" in device[0]["refused"]["late"].lower()  # errors of gloo are not lost


def test_a_group_can_be_made_again_by_default_and_bound_to_a_device(device: list[dict[str, Any]]) -> None:
    assert [found["again"] for found in device] == [[3.0, 3.0], [3.0, 3.0]]


def test_without_local_rank_processes_of_a_host_count_themselves(alone: Any) -> None:
    program = """
        import os, torch.distributed as dist
        dist.init_process_group("neuron", store=dist.HashStore(), rank=0, world_size=1)
        print(torch.neuron.current_device(), torch.neuron.device_count(), os.environ["NEURON_RT_VISIBLE_CORES"])
    """
    assert alone(program, LOCAL_RANK="", LOCAL_WORLD_SIZE="").stdout == "0 1 0\n"


@pytest.mark.parametrize("processes", ["neuron", "2"])
def test_torchrun(processes: str, tmp_path: Path, alone: Any) -> None:
    installed = alone(
        "from importlib.metadata import entry_points as e; print(*e(group='torch.backends').names)", simulate=False
    )
    if "porter_simulate" not in installed.stdout:
        pytest.skip("porter is not installed here as a package")
    script = tmp_path / "program.py"
    script.write_text(
        "import torch, torch.distributed as dist\n"
        "dist.init_process_group('neuron')\n"
        "value = torch.ones(1, device='neuron')\n"
        "dist.all_reduce(value)\n"
        "print(f'{value.item()} on {value.device}\\n', end='', flush=True)\n"
        "dist.destroy_process_group()\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}", str(script)],
        env=os.environ | {"PORTER_SIMULATE": "1", "PORTER_SIMULATE_CORES": "2", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert sorted(done.stdout.splitlines()) == ["2.0 on neuron:0", "2.0 on neuron:1"], done.stderr
