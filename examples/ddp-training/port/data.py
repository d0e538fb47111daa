"""Friedman's regression problem: ten inputs, five of which matter, and noise."""

import math

import torch
from torch.utils.data import TensorDataset


def friedman(rows: int, seed: int, noise: float = 0.5) -> TensorDataset:
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(rows, 10, generator=generator)
    y = 10 * torch.sin(math.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    y = y + noise * torch.randn(rows, generator=generator)
    return TensorDataset(x, (y - 14.4) / 4.9)
