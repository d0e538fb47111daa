"""What `porter verify` compares: the formulas in PyTorch that stand in for the kernels. The kernels never run."""

import torch
import torch.nn.functional as F


def model(device):
    from model import RecurrentLM

    tokens = torch.randint(10, (8, 17))
    return {
        "model": RecurrentLM(vocab=10),
        "inputs": tokens[:, :-1],
        "targets": tokens[:, 1:],
        "loss": lambda logits, targets: F.cross_entropy(logits.flatten(0, 1), targets.flatten()),
        "optimizer": lambda model: torch.optim.Adam(model.parameters(), lr=4e-3),
    }


TRAIN = ["python", "train.py", "--steps", "20", "--log-every", "1", "--save", "{out}/copy.pt"]

CASES = {
    "model": {"factory": model, "steps": 20},
    "model in bfloat16": {"factory": model, "steps": 20, "precision": "bfloat16", "autocast": True},
    "training": {"original": TRAIN, "port": TRAIN, "losses": r"loss (\S+)", "results": ["copy.pt"]},
}
