"""Trees of tensors: what models take and give, as plain data that any PyTorch reads back without running code."""

from __future__ import annotations

import ctypes
import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from porter.verify.errors import BadCase

_SCALARS = (bool, int, float, str, type(None), torch.dtype)


def save(tree: Any, file: Path) -> None:
    """Write plain data and tensors on the host."""
    torch.save(tree, file)


def load(file: Path) -> Any:
    """Read what `save` wrote. Files with anything else are refused: `pickle.UnpicklingError`."""
    return torch.load(file, map_location="cpu", weights_only=True)


def host(tensor: torch.Tensor) -> torch.Tensor:
    """A copy on the host, without history."""
    return tensor.detach().to("cpu", copy=True)


def to_device(tree: Any, device: torch.device) -> Any:
    """The tree with its tensors on ``device``."""
    return _map(tree, lambda tensor: tensor.to(device), lambda other: other)


def plain(tree: Any, role: str) -> Any:
    """The tree as dictionaries, lists, tuples, scalars and tensors on the host.

    Raises:
        BadCase: it holds something that cannot be frozen; ``role`` names the tree.
    """

    def refuse(other: Any) -> Any:
        if isinstance(other, _SCALARS):
            return other
        raise BadCase(f"`{role}` holds a {type(other).__name__}: only tensors, numbers and text can be frozen")

    return _map(tree, host, refuse)


def _map(tree: Any, on_tensor: Callable[[torch.Tensor], Any], on_other: Callable[[Any], Any]) -> Any:
    if isinstance(tree, torch.Tensor):
        return on_tensor(tree)
    if isinstance(tree, Mapping):
        return {key: _map(value, on_tensor, on_other) for key, value in tree.items()}
    if isinstance(tree, tuple):
        return tuple(_map(value, on_tensor, on_other) for value in tree)
    if isinstance(tree, list):
        return [_map(value, on_tensor, on_other) for value in tree]
    return on_other(tree)


def named(tree: Any, unknown: Callable[[str, Any], None] = lambda path, other: None) -> dict[str, torch.Tensor]:
    """The tensors of a tree by path, on the host: ``logits``, ``0.1``, or ``output`` for a lone tensor.

    ``unknown`` is called with path and object for what holds no tensor that can be found.
    """
    return {path: host(tensor) for path, tensor in _leaves(tree, "", unknown)}


def _leaves(tree: Any, path: str, unknown: Callable[[str, Any], None]) -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(tree, torch.Tensor):
        yield path or "output", tree
        return
    if isinstance(tree, (float, int)) and not isinstance(tree, bool):
        yield path or "output", torch.tensor(tree, dtype=torch.float64)
        return
    if dataclasses.is_dataclass(tree) and not isinstance(tree, Mapping):  # ModelOutput is both
        tree = {field.name: getattr(tree, field.name) for field in dataclasses.fields(tree)}
    if isinstance(tree, (list, tuple)):
        tree = dict(zip(getattr(tree, "_fields", range(len(tree))), tree, strict=True))
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _leaves(value, f"{path}.{key}" if path else str(key), unknown)
    elif not isinstance(tree, _SCALARS):
        unknown(path or "output", tree)


def digest(tree: Any) -> str:
    """A checksum of a plain tree: of its layout, and of dtypes, shapes and bytes of its tensors."""
    sha = hashlib.sha256()

    def tensor(value: torch.Tensor) -> None:
        sha.update(f"{value.dtype}{tuple(value.shape)}".encode())
        value = value.contiguous()
        sha.update(ctypes.string_at(value.data_ptr(), value.nbytes) if value.numel() else b"")

    def other(value: Any) -> None:
        sha.update(repr(value).encode())

    sha.update(repr(_map(tree, lambda _: 0, lambda _: 0)).encode())
    _map(tree, tensor, other)
    return sha.hexdigest()
