"""`porter run` and programs of several processes: workers, spawned processes, torchrun."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import pytest

pytest.importorskip("torch")

from tests.launch.program import PORTER, parts, porter, run, write

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2")

DDP = """
import os

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

if __name__ == "__main__":
    dist.init_process_group("neuron")
    device = torch.device("neuron", int(os.environ["LOCAL_RANK"]))
    torch.manual_seed(0)
    model = DistributedDataParallel(nn.Linear(8, 1).to(device))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(3):
        loss = model(torch.ones(4, 8).to(device) + dist.get_rank()).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    weight = model.module.weight.detach().cpu()
    print(f"rank {dist.get_rank()} of {dist.get_world_size()} on {device}: {weight.sum():.6f}\\n", end="")
    dist.destroy_process_group()
"""


def left_behind() -> list[Path]:
    return [*Path(tempfile.gettempdir()).glob("porter-run-*")]


def test_spawned_workers_have_the_device_and_are_told_of() -> None:
    write(
        "train.py",
        """
        import sys
        import torch
        import torch.multiprocessing as mp
        from torch.utils.data import DataLoader, TensorDataset

        print(__name__, flush=True)


        def work(rank, queue):
            queue.put((rank, torch.ones(3).to("neuron").sum().item(), sys.argv[1:]))


        if __name__ == "__main__":
            queue = mp.get_context("spawn").SimpleQueue()
            mp.spawn(work, (queue,), nprocs=2)
            print(sorted([queue.get(), queue.get()]))
            data = DataLoader(TensorDataset(torch.arange(4.0)), num_workers=2, batch_size=2, pin_memory=True)
            print(sum(batch.sum().item() for (batch,) in data))
        """,
    )
    before = left_behind()
    done = porter("train.py", "-v")
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [
        "6.0",
        "[(0, 3.0, ['-v']), (1, 3.0, ['-v'])]",
        "__main__",
        "__mp_main__",
        "__mp_main__",
    ]
    summary = parts(done.stderr)[1]
    assert "ran on the simulated Neuron device; 1 more process used it, too.\n" in summary
    assert done.stderr.count("porter: ") == 2, "one line at the start, and one report"
    assert left_behind() == before


@pytest.mark.slow
def test_what_a_spawned_process_is_refused_names_the_policy() -> None:
    write(
        "train.py",
        """
        import torch
        import torch.multiprocessing as mp


        def work(rank):
            torch.complex(*[torch.ones(3).to("neuron")] * 2)


        if __name__ == "__main__":
            mp.spawn(work, nprocs=1)
        """,
    )
    before = left_behind()
    done = porter("train.py")
    assert done.returncode == 1
    assert "\nporter: Neuron would refuse this, by policy complex (source: " in done.stderr
    assert left_behind() == before


PLAIN = (*TORCHRUN, "--no-python", Path(sys.executable).parent / "porter", "run")
INSIDE = (*PORTER, "--trace-file", "trace-{rank}.json", "--trace", "json", *TORCHRUN[1:3], "--nproc_per_node=neuron")


@pytest.mark.parametrize(
    "command",
    [
        pytest.param((*TORCHRUN, "-m", "porter", "run"), id="torchrun -m porter run"),
        pytest.param(PLAIN, id="torchrun --no-python porter run", marks=pytest.mark.slow),
        pytest.param(INSIDE, id="porter run -m torch.distributed.run"),
    ],
)
def test_ddp_under_torchrun(command: tuple[str, ...]) -> None:
    write("ddp.py", DDP)
    before = left_behind()
    done = run(*command, "ddp.py")
    assert done.returncode == 0, done.stderr
    ranks = sorted(done.stdout.splitlines())
    assert [line.partition(":")[0] + line.rpartition(" on ")[2][:8] for line in ranks] == [
        "rank 0 of 2 on neuron" + "neuron:0",
        "rank 1 of 2 on neuron" + "neuron:1",
    ]
    assert len({line.rpartition(" ")[2] for line in ranks}) == 1, "the ranks have learnt the same"
    assert done.stderr.count("porter: running on the simulated Neuron device") == 1
    if "--trace" in command:
        records = [json.loads(Path(f"trace-{rank}.json").read_text()) for rank in (0, 1)]
        assert [record["rank"] for record in records] == [0, 1]
        assert all(record["trace"]["operators"] for record in records)
    else:
        assert done.stderr.count(" operators ran on the simulated Neuron device in rank 0 of 2.") == 1
    assert left_behind() == before


@pytest.mark.slow
def test_a_rank_that_asks_for_cuda() -> None:
    write("ddp.py", DDP.replace('torch.device("neuron", int', 'torch.device("cuda", int'))
    done = run(*TORCHRUN, "-m", "porter", "run", "ddp.py")
    assert done.returncode == 1
    assert "porter: ddp.py:12 needs CUDA, which a Neuron machine does not have." in done.stderr
    assert "PRT106 [*]" in done.stderr or "PRT101 [*]" in done.stderr
