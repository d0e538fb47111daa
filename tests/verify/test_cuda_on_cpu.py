"""Code that only knows CUDA, on the CPU: one process, for what is mapped stays so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.verify.conftest import ROOT

pytest.importorskip("torch", reason="porter verify needs torch")

PROGRAM = """
import os
import torch
import torch.distributed as dist
from porter.verify import cuda_on_cpu
from torch import nn

cuda_on_cpu.install()
assert torch.cuda.is_available() and torch.cuda.device_count() == 1
assert torch.cuda.get_device_capability() >= (8, 0) and torch.cuda.mem_get_info()[1] > 2**30
device = torch.device("cuda:0")
torch.cuda.set_device(device)
torch.cuda.manual_seed_all(1)
torch.cuda.nvtx.range_push("step")

# tensors and modules, in every spelling
x = torch.randn(4, 8, device="cuda").to(device, non_blocking=True).to("cuda").pin_memory().cuda(0).to(0)
assert x.device.type == "cpu" and not x.is_cuda, "tensors tell the truth"
assert x.new_zeros(2, device="cuda").type("torch.cuda.HalfTensor").dtype is torch.float16
target = torch.cuda.LongTensor([0, 1, 0, 1])
with torch.device("cuda"):
    assert torch.zeros(3).device.type == "cpu"
model = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Linear(8, 2, device="cuda")).cuda()
model = nn.DataParallel(model)

# mixed precision with a scaler, capturable optimizer, streams and events
optimizer = torch.optim.Adam(model.parameters(), lr=0.1, capturable=True)
scaler = torch.amp.GradScaler("cuda")
stream, begin, end = torch.cuda.Stream(), *(torch.cuda.Event(enable_timing=True) for _ in range(2))
losses = []
for _ in range(5):
    begin.record()
    with torch.cuda.stream(stream), torch.autocast("cuda"):
        assert torch.is_autocast_enabled() and torch.get_autocast_dtype("cuda") is torch.float16
        output = model(x)
        assert output.dtype is torch.float16
        loss = nn.functional.cross_entropy(output.float(), target)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    optimizer.zero_grad()
    x.record_stream(torch.cuda.current_stream())
    end.record(stream)
    torch.cuda.synchronize()
    losses.append(loss.item())
assert losses[-1] < losses[0] and begin.elapsed_time(end) > 0

# generators, checkpoints, compiled code, attention
generator = torch.Generator(device="cuda").manual_seed(1)
assert isinstance(generator, torch.Generator) and torch.rand(2, generator=generator, device=device).shape == (2,)
torch.save(model.state_dict(), "model.pt")
torch.load("model.pt", map_location="cuda:0")
assert torch.compile(lambda t: t + 1, mode="max-autotune")(x).equal(x + 1)
with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.EFFICIENT_ATTENTION):
    query = torch.randn(1, 2, 4, 8).cuda()
    nn.functional.scaled_dot_product_attention(query, query, query)

# process groups of NCCL are of gloo
os.environ.update(MASTER_ADDR="localhost", MASTER_PORT="0")
store = dist.HashStore()
dist.init_process_group("nccl", rank=0, world_size=1, store=store, device_id=device)
assert dist.get_backend() == "gloo"
parallel = nn.parallel.DistributedDataParallel(nn.Linear(8, 2).cuda(0), device_ids=[0], output_device=0)
parallel(x).sum().backward()
dist.destroy_process_group()
print("all of it")
"""


def test_what_programs_ask_of_cuda(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.endswith("all of it\n"), done.stderr
