"""Data parallel training: torchrun --nproc_per_node=8 train.py"""

import argparse
import os

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel as DDP
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler

DEVICE = torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else "cpu"


def setup(backend: str) -> int:
    local_rank = int(os.environ["LOCAL_RANK"])
    dist.init_process_group(backend=backend)
    if backend != "gloo":
        torch.get_device_module().set_device(local_rank)
    return local_rank


def make_data() -> TensorDataset:
    generator = torch.Generator().manual_seed(7)
    x = torch.randn(256, 8, generator=generator)
    return TensorDataset(x, x.sum(dim=1, keepdim=True).tanh())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--backend", default=dist.get_default_backend_for_device(DEVICE))
    parser.add_argument("--epochs", type=int, default=2)
    args = parser.parse_args()

    local_rank = setup(args.backend)
    device = torch.device(f"{DEVICE}:{local_rank}" if args.backend != "gloo" else "cpu")
    torch.manual_seed(dist.get_rank())

    model = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 1)).to(device)
    model = DDP(model, device_ids=[local_rank] if device.type != "cpu" else None)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)

    data = make_data()
    sampler = DistributedSampler(data, shuffle=True)
    loader = DataLoader(data, batch_size=16, sampler=sampler, pin_memory=True, drop_last=True)

    for epoch in range(args.epochs):
        sampler.set_epoch(epoch)
        mean = torch.zeros(1, device=device)
        for x, y in loader:
            x = x.to(device, non_blocking=True)
            y = y.to(device, non_blocking=True)
            loss = nn.functional.mse_loss(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            mean += loss.detach() / len(loader)
        dist.all_reduce(mean)
        if dist.get_rank() == 0:
            print(f"epoch {epoch} loss {mean.item() / dist.get_world_size():.5f}")

    if dist.get_rank() == 0:
        torch.save(model.module.state_dict(), "model.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
