"""What `porter verify` compares: the UNet by itself, and training with the noise that the program draws."""

import torch
import torch.nn.functional as F


def unet(device):
    from unet import UNet

    noisy, noise = torch.randn(2, 8, 1, 16, 16)
    return {
        "model": UNet(),
        "inputs": (noisy, torch.arange(8) * 20, torch.arange(8) % 2),
        "targets": noise,
        "loss": F.mse_loss,
        "optimizer": lambda model: torch.optim.AdamW(model.parameters(), lr=1e-3),
    }


TRAIN = ["python", "train.py", "--steps", "20", "--batch-size", "16", "--log-every", "1", "--sample-steps", "5"]
FLOAT32 = [*TRAIN, "--precision", "fp32", "--checkpoint", "{out}/diffusion.pt"]
LOSSES = r"loss (\S+)"

CASES = {
    "model": {"factory": unet, "steps": 20},
    "model in bfloat16": {
        "factory": unet,
        "steps": 20,
        "precision": "bfloat16",
        "autocast": True,
        "tolerance": {"update": 1.0},  # the bias of the keys has no gradient but rounding, and AdamW magnifies that
    },
    "training": {
        "original": FLOAT32,
        "port": FLOAT32,
        "losses": LOSSES,
        "results": ["diffusion.pt"],
        "cuda_on_cpu": True,
    },
    "training in bfloat16": {
        "original": FLOAT32,
        "port": [*TRAIN, "--checkpoint", "{out}/diffusion.pt"],
        "losses": LOSSES,
        "precision": "bfloat16",
        "cuda_on_cpu": True,
    },
}
