"""Sixteen by sixteen grey pictures of rings and bars, scaled to [-1, 1]."""

import torch
from torch.utils.data import TensorDataset


def make_dataset(length: int, size: int = 16, seed: int = 0) -> TensorDataset:
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    images = torch.full((length, 1, size, size), -1.0)
    labels = torch.randint(2, (length,), generator=generator)
    for image, label in zip(images, labels.tolist()):
        y, x = (size * (0.3 + 0.4 * torch.rand(2, generator=generator))).tolist()
        width = 1.0 + torch.rand((), generator=generator).item()
        if label == 0:
            distance = ((rows - y) ** 2 + (columns - x) ** 2).sqrt()
            image[0, (distance - size / 4).abs() < width] = 1.0
        else:
            image[0, (rows - y).abs() < width] = 1.0
    return TensorDataset(images, labels)
