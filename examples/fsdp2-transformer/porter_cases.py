"""What `porter verify` compares: the sharded program on two ranks, and the model by itself."""

import torch
import torch.nn.functional as F


def transformer(device):
    from model import ModelArgs, Transformer

    model = Transformer(ModelArgs(max_seq_len=32))
    model.init_weights()
    model.init_buffers()
    tokens = torch.randint(96, (4, 33))
    return {
        "model": model,
        "inputs": tokens[:, :-1],
        "targets": tokens[:, 1:],
        "loss": lambda logits, targets: F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten()),
        "optimizer": lambda model: torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.1),
    }


TRAIN = ["torchrun", "--standalone", "--nproc_per_node=2", "train.py", "--steps", "20", "--log-every", "1"]
FLOAT32 = [*TRAIN, "--param-dtype", "float32"]
LOSSES = r"loss (?P<loss>\S+) norm (?P<norm>\S+)"

CASES = {
    "model": {"factory": transformer, "steps": 20},
    "model in bfloat16": {"factory": transformer, "steps": 20, "precision": "bfloat16", "autocast": True},
    "two ranks": {"original": FLOAT32, "port": FLOAT32, "losses": LOSSES, "cuda_on_cpu": True},
    "two ranks, recomputing": {
        "original": FLOAT32,
        "port": [*FLOAT32, "--recompute"],
        "losses": LOSSES,
        "cuda_on_cpu": True,
    },
    "two ranks in bfloat16": {
        "original": FLOAT32,
        "port": TRAIN,
        "losses": r"loss (\S+)",
        "precision": "bfloat16",
        "cuda_on_cpu": True,
    },
}
