"""A bidirectional recurrent classifier over packed sequences."""

import torch
import torch.nn as nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class RecurrentClassifier(nn.Module):
    def __init__(self, vocab: int, classes: int, cell: str = "lstm", width: int = 64, layers: int = 2, dropout=0.0):
        super().__init__()
        self.embedding = nn.Embedding(vocab, width, padding_idx=0)
        rnn = {"lstm": nn.LSTM, "gru": nn.GRU}[cell]
        self.rnn = rnn(width, width, layers, batch_first=True, bidirectional=True, dropout=dropout)
        self.score = nn.Linear(2 * width, 1, bias=False)
        self.classify = nn.Linear(2 * width, classes)

    def forward(self, tokens: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        self.rnn.flatten_parameters()
        packed = pack_padded_sequence(self.embedding(tokens), lengths, batch_first=True, enforce_sorted=False)
        states, _ = self.rnn(packed)
        states, _ = pad_packed_sequence(states, batch_first=True, total_length=tokens.shape[1])
        scores = self.score(states).squeeze(-1).masked_fill(tokens == 0, float("-inf"))
        weights = torch.softmax(scores, dim=-1)
        return self.classify((weights.unsqueeze(-1) * states).sum(dim=1))
