"""What `porter verify` compares: the model by itself, and the training program from end to end."""

import torch
import torch.nn.functional as F


def resnet(device):
    from data import make_dataset
    from model import ResNet

    pictures, labels = make_dataset(32, size=24, seed=0).tensors
    return {
        "model": ResNet(num_classes=4),
        "inputs": pictures,
        "targets": labels,
        "loss": lambda logits, labels: F.cross_entropy(logits, labels, label_smoothing=0.1),
        "optimizer": lambda model: torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, nesterov=True),
    }


TRAIN = ["python", "train.py", "--epochs", "1", "--steps", "20", "--batch-size", "32", "--image-size", "24"]
TRAIN += ["--train-size", "640", "--val-size", "64", "--workers", "0", "--log-every", "1"]
ON_CPU = [*TRAIN, "--device", "cpu", "--no-amp"]
LOSSES = r"loss (\S+)"

CASES = {
    "model": {"factory": resnet, "steps": 20},
    "model in bfloat16": {"factory": resnet, "steps": 20, "precision": "bfloat16", "autocast": True},
    "training": {
        "original": [*ON_CPU, "--checkpoint", "{out}/best.pt"],
        "port": [*TRAIN, "--no-amp", "--checkpoint", "{out}/best.pt"],
        "losses": LOSSES,
        "results": ["best.pt"],
    },
    "training with AMP": {"original": ON_CPU, "port": TRAIN, "losses": LOSSES, "precision": "bfloat16"},
}
