"""Made-up surnames of four invented countries; the country is to be told from the letters."""

import random

import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

ALPHABET = "abcdefghijklmnopqrstuvwxyz"
COUNTRIES = {
    "Velonia": (["vel", "lo", "ni", "ra", "sei"], ["a", "ia", "ona"]),
    "Krasnik": (["kra", "zh", "sni", "gor", "vla"], ["ik", "ov", "sky"]),
    "Ooram": (["oo", "ra", "mau", "nee", "ka"], ["m", "loo", "ai"]),
    "Thorland": (["thor", "berg", "sven", "ul", "gard"], ["son", "sen", "dal"]),
}


class Names(Dataset):
    """Pairs of a name, as indices of letters from 1 on, and the index of its country."""

    def __init__(self, size: int, seed: int):
        rng = random.Random(seed)
        self.items = []
        for _ in range(size):
            label = rng.randrange(len(COUNTRIES))
            syllables, endings = list(COUNTRIES.values())[label]
            name = "".join(rng.choices(syllables, k=rng.randint(1, 4))) + rng.choice(endings)
            noisy = [rng.choice(ALPHABET) if rng.random() < 0.1 else letter for letter in name]
            self.items.append((torch.tensor([1 + ALPHABET.index(letter) for letter in noisy]), label))

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int):
        return self.items[index]


def collate(batch):
    """Pad the names to the longest of the batch; the lengths stay on the CPU, where packing wants them."""
    names, labels = zip(*batch)
    lengths = torch.tensor([len(name) for name in names])
    return pad_sequence(names, batch_first=True), lengths, torch.tensor(labels)
