"""Saving a run and taking it up again."""

from pathlib import Path

import torch
import torch.nn as nn


def unwrap(model: nn.Module) -> nn.Module:
    """The model without what DDP and torch.compile put around it."""
    model = getattr(model, "module", model)
    return getattr(model, "_orig_mod", model)


def save(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, scaler, step: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {
        "model": unwrap(model).state_dict(),
        "optimizer": optimizer.state_dict(),
        "scaler": scaler.state_dict(),
        "step": step,
        "rng": torch.get_rng_state(),
    }
    if torch.neuron.is_available():
        state["cuda_rng"] = torch.neuron.get_rng_state_all()
    torch.save(state, path)


def load(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, scaler, device: torch.device) -> int:
    """Restore everything; returns the step to go on from."""
    if device.type == "neuron":
        state = torch.load(path, map_location="cpu")
    else:
        state = torch.load(path, map_location="cpu")
    unwrap(model).load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    scaler.load_state_dict(state["scaler"])
    torch.set_rng_state(state["rng"].cpu())
    if torch.neuron.is_available() and "cuda_rng" in state:
        torch.neuron.set_rng_state_all([rng.cpu() for rng in state["cuda_rng"]])
    return state["step"]
