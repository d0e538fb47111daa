"""A language model without attention: gated linear recurrences between RMSNorms."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from rms_norm import RMSNorm
from scan import linear_scan


class Recurrence(nn.Module):
    def __init__(self, dim: int):
        super().__init__()
        self.project = nn.Linear(dim, 3 * dim, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        value, forget, gate = self.project(x).chunk(3, dim=-1)
        forget = torch.sigmoid(forget + 2.0)
        states = linear_scan(forget, (1 - forget) * value)
        return self.out(states * F.silu(gate))


class Block(nn.Module):
    def __init__(self, dim: int):
        super().__init__()
        self.norm1 = RMSNorm(dim)
        self.recurrence = Recurrence(dim)
        self.norm2 = RMSNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.SiLU(), nn.Linear(2 * dim, dim))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.recurrence(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class RecurrentLM(nn.Module):
    def __init__(self, vocab: int, dim: int = 64, layers: int = 2):
        super().__init__()
        self.embedding = nn.Embedding(vocab, dim)
        self.blocks = nn.Sequential(*(Block(dim) for _ in range(layers)))
        self.norm = RMSNorm(dim)
        self.head = nn.Linear(dim, vocab, bias=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.blocks(self.embedding(tokens))))
