"""Two copies of a module, one on CPU and one on the device, and how far apart they are."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any


def tensors(value: Any) -> list[Any]:
    """All tensors in a nested structure, in order."""
    import torch
    from torch.utils._pytree import tree_leaves

    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, torch.Tensor)]


def pair(make: Callable[[], Any], device: str = "neuron") -> tuple[Any, Any]:
    """A module on CPU, and the same on the device."""
    import torch

    torch.manual_seed(0)
    module = make()
    return module, copy.deepcopy(module).to(device)


def distance(make: Callable[[], Any], inputs: Sequence[Any], device: str = "neuron") -> float:
    """The largest difference between CPU and device in results and gradients, over the largest number among them."""
    import torch

    found: list[list[Any]] = []
    for where, module in zip(("cpu", device), pair(make, device), strict=True):
        given = [each.detach().clone().to(where) for each in inputs]
        given = [each.requires_grad_() if each.is_floating_point() else each for each in given]
        torch.manual_seed(1)
        results = tensors(module(*given))
        assert all(each.device.type == torch.device(where).type for each in results)
        torch.stack([each.sum() for each in results if each.requires_grad]).sum().backward()
        leaves = [*module.parameters(), *given]
        found.append([*results, *(leaf.grad for leaf in leaves if leaf.grad is not None)])
    host, ours = found
    assert [each.shape for each in host] == [each.shape for each in ours]
    with torch.no_grad():
        apart = max(float((left - right.cpu()).abs().max()) for left, right in zip(host, ours, strict=True))
        return apart / max(float(each.abs().max()) for each in host)
