"""Synthetic film reviews: short, opinionated, and sometimes negated."""

import random

import torch
from torch.utils.data import Dataset

GOOD = "brilliant moving witty gripping charming superb".split()
BAD = "dull clumsy tedious shallow noisy dreadful".split()
THINGS = "plot cast score pacing script camera ending dialogue".split()
FILLERS = "honestly overall frankly somehow still yet and but the a this was is felt quite rather very".split()
VOCABULARY = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "not", *GOOD, *BAD, *THINGS, *FILLERS]


class Tokenizer:
    """Words are tokens."""

    def __init__(self, max_length: int):
        self.max_length = max_length
        self.index = {word: i for i, word in enumerate(VOCABULARY)}

    def __call__(self, text: str) -> dict[str, torch.Tensor]:
        words = ["[CLS]", *text.split()[: self.max_length - 2], "[SEP]"]
        padding = self.max_length - len(words)
        ids = [self.index.get(word, self.index["[UNK]"]) for word in words] + [self.index["[PAD]"]] * padding
        mask = [1] * len(words) + [0] * padding
        return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}


def make_review(rng: random.Random) -> tuple[str, int]:
    label = rng.randint(0, 1)
    words = []
    for _ in range(rng.randint(2, 4)):
        negated = rng.random() < 0.3
        opinion = rng.choice(GOOD if (label == 1) != negated else BAD)
        words += [*rng.choices(FILLERS, k=rng.randint(1, 3)), rng.choice(THINGS), "was", *(["not"] * negated), opinion]
    return " ".join(words), label


class ReviewDataset(Dataset):
    def __init__(self, size: int, max_length: int, seed: int):
        rng = random.Random(seed)
        self.reviews = [make_review(rng) for _ in range(size)]
        self.tokenizer = Tokenizer(max_length)

    def __len__(self) -> int:
        return len(self.reviews)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        text, label = self.reviews[index]
        return {**self.tokenizer(text), "labels": torch.tensor(label)}
