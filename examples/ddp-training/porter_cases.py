"""What `porter verify` compares: two processes, as torchrun starts them, and the model by itself."""

import torch
import torch.nn.functional as F


def mlp(device):
    from data import friedman
    from model import ResidualMLP

    x, y = friedman(64, seed=0).tensors
    return {
        "model": ResidualMLP(),
        "inputs": x,
        "targets": y,
        "loss": F.mse_loss,
        "optimizer": lambda model: torch.optim.AdamW(model.parameters(), lr=2e-3),
    }


TRAIN = ["torchrun", "--standalone", "--nproc_per_node=2", "train.py", "--steps", "20", "--epochs", "1"]
TRAIN += ["--workers", "0", "--log-every", "1", "--checkpoint", "{out}/checkpoint.pt"]
LOSSES = r"loss (\S+)"

CASES = {
    "model": {"factory": mlp, "steps": 20},
    "two processes": {
        "original": [*TRAIN, "--no-amp"],
        "port": [*TRAIN, "--no-amp"],
        "losses": LOSSES,
        "results": ["checkpoint.pt"],
        "cuda_on_cpu": True,
    },
    "two processes with AMP": {
        "original": [*TRAIN, "--no-amp"],
        "port": TRAIN,
        "losses": LOSSES,
        "precision": "bfloat16",
        "tolerance": {"loss": 2e-2},  # of a mean square, which doubles relative errors
        "cuda_on_cpu": True,
    },
}
