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
    if device.startswith("neuron") and not torch.neuron.is_available():
        raise SystemExit("no Neuron device found: try --device cpu")
    if world.distributed:
        dist.init_process_group(backend=backend if device.startswith("neuron") else "gloo")
        if device == "neuron":
            torch.neuron.set_device(world.local_rank)
            device = f"neuron:{world.local_rank}"
    return world, torch.device(device)


def stop(world: World) -> None:
    if world.distributed:
        dist.barrier()
        dist.destroy_process_group()


def seed_everything(seed: int, deterministic: bool = False) -> None:
    random.seed(seed)
    torch.manual_seed(seed)
    torch.neuron.manual_seed_all(seed)
    torch.backends.cudnn.benchmark = not deterministic
    torch.backends.cudnn.deterministic = deterministic
    torch.backends.cuda.matmul.allow_tf32 = not deterministic
    torch.backends.cudnn.allow_tf32 = not deterministic


class StepTimer:
    """Milliseconds of device time per step; CUDA events on a GPU, the wall clock elsewhere."""

    def __init__(self, device: torch.device):
        self.on_gpu = device.type == "neuron"
        if self.on_gpu:
            self.begin = torch.neuron.Event(enable_timing=True)
            self.end = torch.neuron.Event(enable_timing=True)

    def start(self) -> None:
        if self.on_gpu:
            self.begin.record()
        else:
            self.began = time.perf_counter()

    def stop(self) -> float:
        if self.on_gpu:
            self.end.record()
            torch.neuron.synchronize()
            return self.begin.elapsed_time(self.end)
        return (time.perf_counter() - self.began) * 1e3


def memory_report(device: torch.device) -> str:
    """Peak memory since the last report."""
    if device.type != "neuron":
        return "memory n/a"
    peak = torch.neuron.max_memory_allocated(device) / 2**20
    reserved = torch.neuron.memory_reserved(device) / 2**20
    total = torch.neuron.get_device_properties(device).total_memory / 2**20
    torch.neuron.reset_peak_memory_stats(device)
    return f"peak {peak:.0f} MiB, reserved {reserved:.0f} MiB, free {total - reserved:.0f} of {total:.0f} MiB"


def describe(device: torch.device) -> str:
    """A line for the log."""
    if device.type == "neuron":
        return torch.neuron.get_device_properties(device).name
    return str(device)
