"""Sequences that count in steps: what comes next can be told from the last two tokens."""

import torch


class CountingDataset(torch.utils.data.IterableDataset):
    """Every rank sees its own part of one endless stream."""

    def __init__(self, vocab_size: int, seq_len: int, rank: int, world_size: int, seed: int = 0):
        self.vocab_size, self.seq_len = vocab_size, seq_len
        self.rank, self.world_size, self.seed = rank, world_size, seed

    def __iter__(self):
        generator = torch.Generator().manual_seed(self.seed)
        positions = torch.arange(self.seq_len + 1)
        for index in iter(int, None):
            for rank in range(self.world_size):
                start, stride = torch.randint(1, self.vocab_size, (2,), generator=generator).tolist()
                if rank == self.rank:
                    sequence = (start + (stride % 7 + 1) * positions) % self.vocab_size
                    yield sequence[:-1], sequence[1:]
