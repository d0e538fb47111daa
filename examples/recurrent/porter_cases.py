"""What `porter verify` compares: both kinds of cells over packed sequences, by themselves and in training."""

import torch
import torch.nn.functional as F


def classifier(cell):
    def make(device):
        from data import Names, collate
        from model import RecurrentClassifier

        names = Names(32, seed=0)
        tokens, lengths, labels = collate([names[i] for i in range(len(names))])
        return {
            "model": PackedOnHost(RecurrentClassifier(27, 4, cell, width=32), lengths),
            "inputs": tokens,
            "targets": labels,
            "loss": F.cross_entropy,
            "optimizer": lambda model: torch.optim.Adam(model.parameters(), lr=3e-3),
        }

    return make


class PackedOnHost(torch.nn.Module):
    """Keeps the lengths on the CPU, where packing wants them on every device."""

    def __init__(self, model, lengths):
        super().__init__()
        self.model, self.lengths = model, lengths

    def forward(self, tokens):
        return self.model(tokens, self.lengths)


def training(cell):
    train = ["python", "train.py", "--cell", cell, "--steps", "20", "--log-every", "1", "--save", "{out}/names.pt"]
    return {
        "original": train,
        "port": train,
        "losses": r"loss (\S+)",
        "results": ["names.pt"],
        "tolerance": {"output": 1e-4},  # weights after 20 steps of Adam, which magnifies the rounding of small gradients
    }


CASES = {
    "LSTM": {"factory": classifier("lstm"), "steps": 20},
    "GRU": {"factory": classifier("gru"), "steps": 20},
    "training of an LSTM": training("lstm"),
    "training of a GRU": training("gru"),
}
