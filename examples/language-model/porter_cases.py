"""What `porter verify` compares: the model by itself, and the training program in several ways."""

import torch


def gpt(device):
    from data import ALPHABET, Windows, make_corpus
    from model import GPT, GPTConfig

    config = GPTConfig(vocab_size=len(ALPHABET), block_size=64, n_layer=2, n_head=4, n_embd=64)
    windows = Windows(make_corpus(5_000), config.block_size)
    tokens, targets = (torch.stack(part) for part in zip(*(windows[i * 100] for i in range(8))))
    return {
        "model": GPT(config),
        "inputs": (tokens, targets),
        "loss": lambda output: output[1],
        "optimizer": lambda model: torch.optim.AdamW(model.parameter_groups(0.1), lr=1e-3, betas=(0.9, 0.95)),
    }


TRAIN = ["train.py", "--steps", "20", "--log-every", "1", "--workers", "0", "--out", "{out}"]
FLOAT32 = [*TRAIN, "--dtype", "float32"]
ON_CPU = [*FLOAT32, "--device", "cpu"]
TWICE = ["torchrun", "--standalone", "--nproc_per_node=2"]
LOSSES = r"loss (\S+)"

CASES = {
    "model": {"factory": gpt, "steps": 20},
    "model in bfloat16": {"factory": gpt, "steps": 20, "precision": "bfloat16", "autocast": True},
    "training": {"original": ["python", *ON_CPU], "port": ["python", *FLOAT32], "losses": LOSSES},
    "training in bfloat16": {
        "original": ["python", *ON_CPU],
        "port": ["python", *TRAIN, "--dtype", "bfloat16"],
        "losses": LOSSES,
        "precision": "bfloat16",
    },
    "compiled": {"original": ["python", *ON_CPU], "port": ["python", *FLOAT32, "--compile"], "losses": LOSSES},
    "two processes": {"original": [*TWICE, *ON_CPU], "port": [*TWICE, *FLOAT32], "losses": LOSSES},
}
