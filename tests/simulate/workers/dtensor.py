"""DTensor, meshes and tensor parallelism on the device, against plain tensors on CPU."""

from __future__ import annotations

import json
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import Replicate, Shard, distribute_tensor, zeros
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    RowwiseParallel,
    SequenceParallel,
    loss_parallel,
    parallelize_module,
)

from porter.simulate import install

install()


def block() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 8))


def gap(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found.detach().cpu() - expected.detach()).abs().max())


def main() -> None:
    torch.set_num_threads(1)
    dist.init_process_group("cpu:gloo,neuron:neuron")
    mesh = init_device_mesh("neuron", (2, 2), mesh_dim_names=("data", "model"))
    found: dict[str, Any] = {"mesh": [mesh.device_type, mesh["model"].get_local_rank(), mesh["data"].get_local_rank()]}

    whole = torch.arange(32.0).view(8, 4)
    spread = distribute_tensor(whole.to("neuron"), mesh, [Shard(0), Shard(1)])
    found["local"] = [str(spread.to_local().device), list(spread.to_local().shape)]
    found["sum"] = gap(spread.sum().full_tensor(), whole.sum())
    found["product"] = gap((spread @ spread.T).full_tensor(), whole @ whole.T)
    found["moved"] = gap(spread.redistribute(mesh, [Replicate(), Replicate()]).to_local(), whole)
    found["zeros"] = str(zeros(4, 4, device_mesh=mesh, placements=[Shard(0), Replicate()]).to_local().device)

    expected, x = block(), torch.randn(4, 8, generator=torch.Generator().manual_seed(1))
    plan = {"0": SequenceParallel(sequence_dim=0), "1": ColwiseParallel(input_layouts=Shard(0)), "3": RowwiseParallel()}
    parallel = parallelize_module(block().to("neuron"), mesh["model"], plan)
    parallel = fully_shard(parallel, mesh=mesh["data"])
    output, reference = parallel(x.chunk(2)[mesh["model"].get_local_rank()].to("neuron")), expected(x)
    found["forward"] = gap(output, reference)
    output.square().mean().backward()
    reference.square().mean().backward()
    pairs = zip(parallel.parameters(), expected.parameters(), strict=True)
    found["backward"] = max(gap(a.grad.full_tensor(), b.grad) for a, b in pairs if a.grad is not None)

    labels = torch.tensor([1, 5, 0, 7])
    logits = distribute_tensor(x.to("neuron"), mesh["model"], [Shard(1)])
    with loss_parallel():
        loss = nn.functional.cross_entropy(logits, labels.to("neuron"))
    found["loss"] = gap(loss.full_tensor(), nn.functional.cross_entropy(x, labels))

    on_host = torch.ones(1) * dist.get_rank()
    dist.all_reduce(on_host)
    found["host"] = on_host.item()
    dist.destroy_process_group()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
