"""Synthetic pictures: one shape each, at a random place, size and colour, on a noisy background."""

import torch
from torch.utils.data import DataLoader, TensorDataset

SHAPES = ("disc", "square", "triangle", "cross")


def draw(shape: int, size: int, generator: torch.Generator) -> torch.Tensor:
    """One picture of three channels."""
    radius = size * (0.18 + 0.12 * torch.rand((), generator=generator))
    centre = size * (0.35 + 0.3 * torch.rand(2, generator=generator))
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    y, x = rows - centre[0], columns - centre[1]
    inside = (
        x**2 + y**2 < radius**2,
        torch.maximum(x.abs(), y.abs()) < 0.85 * radius,
        (y.abs() < radius) & (x.abs() < 0.5 * (y + radius)),
        torch.minimum(x.abs(), y.abs()) < 0.3 * radius,
    )[shape]
    background = 0.3 * torch.randn(3, size, size, generator=generator)
    colour = 0.5 + torch.rand(3, 1, 1, generator=generator)
    return torch.where(inside, colour, background)


def make_dataset(length: int, size: int, seed: int) -> TensorDataset:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(len(SHAPES), (length,), generator=generator)
    return TensorDataset(torch.stack([draw(label, size, generator) for label in labels.tolist()]), labels)


def make_loaders(args) -> tuple[DataLoader, DataLoader]:
    common = {"batch_size": args.batch_size, "num_workers": args.workers, "pin_memory": True}
    train = make_dataset(args.train_size, args.image_size, seed=args.seed)
    val = make_dataset(args.val_size, args.image_size, seed=args.seed + 1)
    return DataLoader(train, shuffle=True, drop_last=True, **common), DataLoader(val, shuffle=False, **common)
