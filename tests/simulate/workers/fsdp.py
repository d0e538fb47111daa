"""FSDP2 and FSDP1 on the device, against one process on CPU that sees both halves of each batch."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as checkpoint
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_state_dict,
    set_state_dict,
)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import CPUOffloadPolicy, FullyShardedDataParallel, MixedPrecisionPolicy, fully_shard

from porter.simulate import install

STEPS = 20
install()


def net(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        *[nn.Sequential(nn.Linear(16, 16), nn.LayerNorm(16), nn.GELU()) for _ in range(2)], nn.Linear(16, 4)
    )


def batch(step: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(step)
    return torch.randn(8, 16, generator=generator), torch.randint(0, 4, (8,), generator=generator)


def train(model: nn.Module, device: str, clip: Callable[[nn.Module], object]) -> list[float]:
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for step in range(STEPS):
        x, y = batch(step)
        if device == "neuron":
            x, y = (each.chunk(2)[dist.get_rank()].to(device) for each in (x, y))
        loss = nn.functional.cross_entropy(model(x).float(), y)
        loss.backward()
        clip(model)
        optimizer.step()
        optimizer.zero_grad()
        mean = loss.detach().clone()
        if device == "neuron":
            dist.all_reduce(mean, op=dist.ReduceOp.AVG)
        losses.append(mean.item())
    return losses


def clip(model: nn.Module) -> object:
    return nn.utils.clip_grad_norm_(model.parameters(), 1.0)


def sharded(model: nn.Module, **options: Any) -> nn.Module:
    mesh = init_device_mesh("neuron", (2,))
    if "offload_policy" not in options:
        model = model.to("neuron")
    for layer in list(model.children()):
        fully_shard(layer, mesh=mesh, **options)
    return fully_shard(model, mesh=mesh, **options)


def wrapped(model: nn.Module) -> nn.Module:
    return FullyShardedDataParallel(model, device_id=torch.neuron.current_device(), use_orig_params=True)


VARIANTS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "plain": sharded,
    "kept": lambda model: sharded(model, reshard_after_forward=False),
    "mixed": lambda model: sharded(
        model, mp_policy=MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    ),
    "offloaded": lambda model: sharded(model, offload_policy=CPUOffloadPolicy()),
    "fsdp1": wrapped,
}


def losses_of(shard: Callable[[nn.Module], nn.Module], expected: list[float]) -> dict[str, float]:
    model = shard(net())
    norm = (lambda each: each.clip_grad_norm_(1.0)) if isinstance(model, FullyShardedDataParallel) else clip
    losses = train(model, "neuron", norm)
    return {
        "loss": max(abs(a - b) / abs(b) for a, b in zip(losses, expected, strict=True)),
        "first": losses[0],
        "last": losses[-1],
    }


def saved_and_loaded(folder: str) -> dict[str, Any]:
    """A distributed checkpoint of model and optimizer, into a model that began otherwise; then all of it on CPU."""
    states = []
    for seed in (0, 1):
        model = sharded(net(seed))
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        model(batch(0)[0].to("neuron")).sum().backward()
        optimizer.step()
        state = dict(zip(("model", "optimizer"), get_state_dict(model, optimizer), strict=True))
        if seed == 0:
            checkpoint.save(state, checkpoint_id=folder)
        else:
            checkpoint.load(state, checkpoint_id=folder)
            set_state_dict(model, optimizer, model_state_dict=state["model"], optim_state_dict=state["optimizer"])
        moments = [optimizer.state[parameter]["exp_avg"].full_tensor().cpu() for parameter in model.parameters()]
        states.append([parameter.full_tensor().cpu() for parameter in model.parameters()] + moments)
    whole = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    return {
        "equal": all(torch.equal(a, b) for a, b in zip(*states, strict=True)),
        "devices": sorted({str(value.device) for value in whole.values()}),
    }


def main() -> None:
    torch.set_num_threads(1)
    dist.init_process_group("cpu:gloo,neuron:neuron")  # gloo for the gradients of what is offloaded
    expected = train(copy.deepcopy(net()), "cpu", clip)
    found: dict[str, Any] = {name: losses_of(shard, expected) for name, shard in VARIANTS.items()}
    found["checkpoint"] = saved_and_loaded(sys.argv[1])
    dist.destroy_process_group()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
