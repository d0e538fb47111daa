"""DistributedDataParallel on the device, against one process on CPU that sees both halves of each batch."""

from __future__ import annotations

import copy
import json
from contextlib import nullcontext
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from porter.simulate import install

STEPS = 20
install()


class Net(nn.Module):
    """With a branch that is not always used, a buffer, and a normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(8, 32)
        self.norm = nn.LayerNorm(32)
        self.spare = nn.Linear(32, 32)
        self.last = nn.Linear(32, 4)
        self.register_buffer("seen", torch.zeros(1))

    def forward(self, x: torch.Tensor, spare: bool = False) -> torch.Tensor:
        x = self.norm(torch.relu(self.first(x)))
        return self.last(self.spare(x) if spare else x)


def batch(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(step)
    return torch.randn(8, 8, generator=generator), torch.randint(0, 4, (8,), generator=generator)


def loss_of(model: nn.Module, x: torch.Tensor, y: torch.Tensor, spare: bool) -> torch.Tensor:
    return nn.functional.cross_entropy(model(x, spare) if spare else model(x), y)


def on_cpu(model: nn.Module, spare: bool, accumulate: int) -> list[float]:
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for step in range(STEPS):
        x, y = batch(step)
        loss = loss_of(model, x, y, spare and step % 2 == 0)
        loss.backward()
        losses.append(loss.item())
        if (step + 1) % accumulate == 0:
            optimizer.step()
            optimizer.zero_grad()
    return losses


def on_device(model: nn.Module, spare: bool, accumulate: int, **options: Any) -> tuple[nn.Module, list[float]]:
    rank = dist.get_rank()
    parallel = DistributedDataParallel(
        model.to(f"neuron:{rank}"), device_ids=[torch.neuron.current_device()], **options
    )
    optimizer = torch.optim.AdamW(parallel.parameters(), lr=1e-2)
    losses = []
    for step in range(STEPS):
        x, y = (each.chunk(2)[rank].to("neuron") for each in batch(step))
        update = (step + 1) % accumulate == 0
        with nullcontext() if update else parallel.no_sync():
            loss = loss_of(parallel, x, y, spare and step % 2 == 0)
            loss.backward()
        mean = loss.detach().clone()
        dist.all_reduce(mean, op=dist.ReduceOp.AVG)
        losses.append(mean.item())
        if update:
            optimizer.step()
            optimizer.zero_grad()
    return parallel.module, losses


VARIANTS: dict[str, tuple[dict[str, Any], bool, int]] = {
    "plain": ({}, False, 1),
    "views": ({"gradient_as_bucket_view": True}, False, 1),
    "no_sync": ({}, False, 2),
    "static": ({"static_graph": True, "broadcast_buffers": False}, False, 1),
    "unused": ({"find_unused_parameters": True}, True, 1),
}
"""Options, whether a branch is used in every other step only, and in how many steps gradients add up."""


def differences(name: str) -> dict[str, float]:
    options, spare, accumulate = VARIANTS[name]
    torch.manual_seed(0)
    model = Net()
    if not spare:
        model.spare.requires_grad_(False)
    reference = copy.deepcopy(model)
    expected = on_cpu(reference, spare, accumulate)
    trained, losses = on_device(model, spare, accumulate, **options)
    pairs = zip(trained.parameters(), reference.parameters(), strict=True)
    return {
        "loss": max(abs(a - b) / abs(b) for a, b in zip(losses, expected, strict=True)),
        "parameter": max((a.detach().cpu() - b.detach()).abs().max().item() for a, b in pairs),
        "first": losses[0],
        "last": losses[-1],
    }


def synchronised(dtype: torch.dtype) -> dict[str, float]:
    """SyncBatchNorm over halves of a batch, against BatchNorm over the whole: output, gradients, running statistics."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(6, 4, 5, 5, generator=generator) * 3 + 1
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8, momentum=0.3))
    rank = dist.get_rank()
    model = nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(plain)).to("neuron", dtype)
    parallel = DistributedDataParallel(model)
    output = parallel(x.to(dtype).chunk(2)[rank].to("neuron"))
    output.float().pow(3).mean().backward()
    expected = plain(x)
    expected.pow(3).mean().backward()
    gaps = {"output": (output.float().cpu() - expected.chunk(2)[rank]).abs().max()}
    for (name, a), b in zip(model.named_parameters(), plain.parameters(), strict=True):
        gaps[f"gradient {name}"] = (a.grad.float().cpu() - b.grad).abs().max()
    for (name, a), b in zip(model.named_buffers(), plain.buffers(), strict=True):
        gaps[name] = (a.float().cpu() - b).abs().max()
    return {name: gap.item() for name, gap in gaps.items()}


def main() -> None:
    torch.set_num_threads(1)
    dist.init_process_group("neuron")
    found = {name: differences(name) for name in VARIANTS}
    found["synchronised"] = synchronised(torch.float32)
    found["synchronised bf16"] = synchronised(torch.bfloat16)
    dist.destroy_process_group()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
