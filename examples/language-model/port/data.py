"""A synthetic corpus with structure worth learning, and loaders that keep a GPU fed."""

import itertools
import random

import torch
from torch.utils.data import DataLoader, Dataset, DistributedSampler

ALPHABET = "\n .,abcdefghijklmnopqrstuvwxyz0123456789+-*=()"


def make_corpus(length: int, seed: int = 0) -> torch.Tensor:
    """Lines of arithmetic and of word salad, as character indices."""
    rng = random.Random(seed)
    words = ["".join(rng.choices("aeioubcdlmnrst", k=rng.randint(2, 7))) for _ in range(200)]
    lines, size = [], 0
    while size < length:
        if rng.random() < 0.5:
            a, b = rng.randint(0, 99), rng.randint(0, 99)
            line = f"{a}+{b}={a + b}\n"
        else:
            line = " ".join(rng.choices(words, k=rng.randint(3, 9))) + ".\n"
        lines.append(line)
        size += len(line)
    index = {character: i for i, character in enumerate(ALPHABET)}
    return torch.tensor([index[c] for c in "".join(lines)[:length]], dtype=torch.long)


class Windows(Dataset):
    """Every window of ``block_size`` characters, with the same window one character on as its target."""

    def __init__(self, corpus: torch.Tensor, block_size: int):
        self.corpus = corpus
        self.block_size = block_size

    def __len__(self) -> int:
        return len(self.corpus) - self.block_size - 1

    def __getitem__(self, i: int):
        window = self.corpus[i : i + self.block_size + 1]
        return window[:-1], window[1:]


def make_loader(dataset: Dataset, batch_size: int, workers: int, distributed: bool, seed: int) -> DataLoader:
    sampler = DistributedSampler(dataset, seed=seed) if distributed else None
    return DataLoader(
        dataset,
        batch_size=batch_size,
        shuffle=sampler is None,
        sampler=sampler,
        num_workers=workers,
        pin_memory=torch.neuron.is_available(),
        persistent_workers=workers > 0,
        drop_last=True,
    )


class CUDAPrefetcher:
    """Copies the next batch to the GPU on a side stream while the current one is in use."""

    def __init__(self, loader: DataLoader, device: torch.device):
        self.loader = loader
        self.device = device
        self.stream = torch.neuron.Stream(device=device)

    def __iter__(self):
        ready = None
        for batch in epochs(self.loader):
            with torch.neuron.stream(self.stream):
                following = [t.to(self.device, non_blocking=True) for t in batch]
            if ready is not None:
                yield self._hand_over(ready)
            ready = following

    def _hand_over(self, batch: list[torch.Tensor]) -> list[torch.Tensor]:
        torch.neuron.current_stream().wait_stream(self.stream)
        for tensor in batch:
            tensor.record_stream(torch.neuron.current_stream())
        return batch


def epochs(loader: DataLoader):
    """The loader's batches, again and again."""
    for epoch in itertools.count():
        if isinstance(loader.sampler, DistributedSampler):
            loader.sampler.set_epoch(epoch)
        yield from loader


def feed(loader: DataLoader, device: torch.device):
    """An endless iterator of batches on the device."""
    if device.type == "neuron":
        return iter(CUDAPrefetcher(loader, device))
    return ([t.to(device) for t in batch] for batch in epochs(loader))
