"""Everything that touches the machine: devices, processes, seeds, clocks, memory."""

import os
import random
import time
from dataclasses import dataclass

import torch
import torch.distributed as dist


@dataclass
class World:
    """Where this process stands among the others."""

    rank: int = 0
    local_rank: int = 0
    size: int = 1

    @property
    def distributed(self) -> bool:
        return self.size > 1

    @property
    def main(self) -> bool:
        return self.rank == 0


def start(device: str, backend: str) -> tuple[World, torch.device]:
    """Join the other processes if torchrun started us, and pick this process's device."""
    world = World(
        rank=int(os.environ.get("RANK", "0")),
        local_rank=int(os.environ.get("LOCAL_RANK", "0")),
        size=int(os.environ.get("WORLD_SIZE", "1")),
    )
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise SystemExit("no CUDA device found: try --device cpu")
    if world.distributed:
        if device == "cuda":
            torch.cuda.set_device(world.local_rank)
            device = f"cuda:{world.local_rank}"
        dist.init_process_group(backend=backend if device.startswith("cuda") else "gloo")
    return world, torch.device(device)


def stop(world: World) -> None:
    if world.distributed:
        dist.barrier()
        dist.destroy_process_group()


def seed_everything(seed: int, deterministic: bool = False) -> None:
    random.seed(seed)
    torch.manual_seed(seed)
    torch.cuda.manual_seed_all(seed)
    torch.backends.cudnn.benchmark = not deterministic
    torch.backends.cudnn.deterministic = deterministic
    torch.backends.cuda.matmul.allow_tf32 = not deterministic
    torch.backends.cudnn.allow_tf32 = not deterministic


class StepTimer:
    """Milliseconds of device time per step; CUDA events on a GPU, the wall clock elsewhere."""

    def __init__(self, device: torch.device):
        self.on_gpu = device.type == "cuda"
        if self.on_gpu:
            self.begin = torch.cuda.Event(enable_timing=True)
            self.end = torch.cuda.Event(enable_timing=True)

    def start(self) -> None:
        if self.on_gpu:
            self.begin.record()
        else:
            self.began = time.perf_counter()

    def stop(self) -> float:
        if self.on_gpu:
            self.end.record()
            torch.cuda.synchronize()
            return self.begin.elapsed_time(self.end)
        return (time.perf_counter() - self.began) * 1e3


def memory_report(device: torch.device) -> str:
    """Peak memory since the last report."""
    if device.type != "cuda":
        return "memory n/a"
    peak = torch.cuda.max_memory_allocated(device) / 2**20
    reserved = torch.cuda.memory_reserved(device) / 2**20
    free, total = torch.cuda.mem_get_info(device)
    torch.cuda.reset_peak_memory_stats(device)
    return f"peak {peak:.0f} MiB, reserved {reserved:.0f} MiB, free {free / 2**20:.0f} of {total / 2**20:.0f} MiB"


def describe(device: torch.device) -> str:
    """A line for the log."""
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        return f"{torch.cuda.get_device_name(device)} (sm_{major}{minor})"
    return str(device)
