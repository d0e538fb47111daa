"""A sharded transformer block: torchrun --nproc_per_node=8 train.py"""

import os

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

DEVICE = torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else "cpu"

DIM = 32


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(DIM)
        self.up = nn.Linear(DIM, 4 * DIM)
        self.down = nn.Linear(4 * DIM, DIM)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.down(torch.relu(self.up(self.norm(x))))


def main() -> None:
    rank = int(os.environ["LOCAL_RANK"])
    if torch.accelerator.is_available():
        dist.init_process_group(dist.get_default_backend_for_device(DEVICE))
        torch.get_device_module().set_device(rank)
        device = DEVICE
    else:
        dist.init_process_group("gloo")
        device = "cpu"
    torch.manual_seed(0)

    model = nn.Sequential(*(Block() for _ in range(3)), nn.Linear(DIM, 1)).to(device)
    mesh = init_device_mesh(device, (dist.get_world_size(),))
    for block in model[:-1]:
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)

    generator = torch.Generator().manual_seed(rank)
    for step in range(6):
        x = torch.randn(16, DIM, generator=generator).to(device)
        loss = (model(x) - x.mean(dim=1, keepdim=True)).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if dist.get_rank() == 0:
            print(f"step {step + 1} loss {loss.item():.5f}")
    if torch.accelerator.is_available() and dist.get_rank() == 0:
        print(f"peak memory {torch.get_device_module().max_memory_allocated() / 2**20:.0f} MiB")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
