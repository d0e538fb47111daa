"""The first layer in which two runs part, from what `Layers` recorded of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from porter.verify.compare import TOLERANCES, deviation

Call = Mapping[str, Any]


def first_divergence(
    oracle: Sequence[Call], port: Sequence[Call], precision: str, tolerance: Mapping[str, float]
) -> str:
    """A sentence that names the layer, or the code between layers, in which the first forward pass parts."""
    limit = {**TOLERANCES[precision], **tolerance}["output"]
    if not oracle:
        return "the first step calls no layer of the model"
    before = ""
    for ours, theirs in zip(oracle, port, strict=False):
        if ours["name"] != theirs["name"]:
            return f"the original goes on with {_title(ours)}, the port with {_title(theirs)}{before}"
        apart, scale = _apart(ours["outputs"], theirs["outputs"], limit)
        if apart:
            inputs, _ = _apart(ours["inputs"], theirs["inputs"], limit)
            if inputs:  # no layer done so far has given anything else: what stands between them has
                parent = f"the code of `{ours['parent']}`" if ours["parent"] else "the model's own code"
                return f"in {parent}{before}, on the way to {_title(ours)} (input {inputs} differs)"
            return f"in {_title(ours)}: {apart}{scale}"
        before = f", after {_title(ours)}"
    if len(oracle) != len(port):
        longer, role = (oracle, "original") if len(oracle) > len(port) else (port, "port")
        return f"only the {role} calls {_title(longer[min(len(oracle), len(port))])}{before}"
    agreed = f"the first forward pass agrees in all {len(oracle)} calls"
    return f"in no layer: {agreed}; look at loss, backward pass and optimizer"


def _title(call: Call) -> str:
    return f"`{call['name']}` ({call['kind']})" if call["name"] else f"the model itself ({call['kind']})"


def _apart(oracle: Mapping[str, torch.Tensor], port: Mapping[str, torch.Tensor], limit: float) -> tuple[str, str]:
    """The first tensor that differs by more than ``limit`` and by how much; empty where none does."""
    for name, expected in oracle.items():
        found = port.get(name)
        if found is None or found.shape != expected.shape:
            return (
                f"`{name}`",
                " is missing" if found is None else f" has shape {tuple(found.shape)}, not {tuple(expected.shape)}",
            )
        difference = deviation(expected, found)
        if difference > limit:
            return f"`{name}`", f" differs by {difference:.2g} of its largest magnitude (limit {limit:g})"
    return "", ""
