"""Data-parallel training over NCCL.

    torchrun --standalone --nproc_per_node=gpu train.py
"""

import argparse
import os
import random
from datetime import timedelta

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader
from torch.utils.data.distributed import DistributedSampler

from data import friedman
from model import ResidualMLP


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--steps", type=int, help="stop after this many steps")
    parser.add_argument("--batch-size", type=int, default=64, help="per GPU")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-amp", dest="amp", action="store_false")
    parser.add_argument("--checkpoint", default="checkpoint.pt")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--log-every", type=int, default=10)
    return parser.parse_args()


def setup() -> int:
    """Join the process group; returns the GPU of this process."""
    local_rank = int(os.environ["LOCAL_RANK"])
    dist.init_process_group(backend="neuron", init_method="env://", timeout=timedelta(minutes=10))
    torch.neuron.set_device(local_rank)
    dist.barrier()
    return local_rank


def set_seed(seed: int) -> None:
    random.seed(seed)
    torch.manual_seed(seed)
    torch.neuron.manual_seed_all(seed)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


def reduce_mean(tensor: torch.Tensor) -> torch.Tensor:
    """The mean over all processes; the tensor itself stays."""
    tensor = tensor.detach().clone()
    dist.all_reduce(tensor, op=dist.ReduceOp.SUM)
    return tensor / dist.get_world_size()


@torch.no_grad()
def evaluate(model, loader, gpu: int) -> float:
    """R squared over every process's part of the validation set."""
    model.eval()
    sums = torch.zeros(4, device=f"neuron:{gpu}")  # rows, squared error, y, y squared
    for x, y in loader:
        x, y = x.to(f"neuron:{gpu}", non_blocking=True), y.to(f"neuron:{gpu}", non_blocking=True)
        error = (model(x) - y).square().sum()
        sums += torch.stack([torch.tensor(float(len(y)), device=y.device), error, y.sum(), y.square().sum()])
    dist.all_reduce(sums)
    rows, error, total, squares = sums.tolist()
    model.train()
    return 1 - error / (squares - total**2 / rows)


def train(args: argparse.Namespace, gpu: int) -> None:
    rank, world_size = dist.get_rank(), dist.get_world_size()
    set_seed(args.seed)

    train_set, val_set = friedman(args.rows, seed=args.seed), friedman(args.rows // 4, seed=args.seed + 1)
    sampler = DistributedSampler(train_set, shuffle=True, seed=args.seed, drop_last=True)
    train_loader = DataLoader(
        train_set, args.batch_size, sampler=sampler, num_workers=args.workers, pin_memory=True, drop_last=True
    )
    val_loader = DataLoader(val_set, args.batch_size, sampler=DistributedSampler(val_set, shuffle=False))

    model = ResidualMLP().to(f"neuron:{gpu}")
    model = DistributedDataParallel(model, device_ids=[gpu], output_device=gpu, gradient_as_bucket_view=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr * world_size**0.5)
    scaler = torch.amp.GradScaler("neuron", enabled=False)

    step = 0
    if args.resume:
        state = torch.load(args.checkpoint, map_location="cpu")
        model.module.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]

    for epoch in range(args.epochs):
        sampler.set_epoch(epoch)
        for x, y in train_loader:
            if step == args.steps:
                break
            x = x.to(f"neuron:{gpu}", non_blocking=True)
            y = y.to(f"neuron:{gpu}", non_blocking=True)
            optimizer.zero_grad()
            with torch.amp.autocast("neuron", enabled=args.amp, dtype=torch.bfloat16):
                loss = F.mse_loss(model(x), y)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            step += 1
            if step % args.log_every == 0 or step == args.steps:
                mean = reduce_mean(loss)
                if rank == 0:
                    print(f"step {step} loss {mean.item():.7f}", flush=True)
        score = evaluate(model, val_loader, gpu)
        if rank == 0:
            print(f"epoch {epoch} r2 {score:.4f} on {world_size} processes", flush=True)
            torch.save(
                {"model": model.module.state_dict(), "optimizer": optimizer.state_dict(), "step": step}, args.checkpoint
            )
        dist.barrier()
        if step == args.steps:
            break


def main() -> None:
    args = parse_args()
    gpu = setup()
    train(args, gpu)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
