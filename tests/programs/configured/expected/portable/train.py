"""Training as config.yaml says; an option overrides its device."""

import argparse
from pathlib import Path

import torch
import yaml
from engine import Engine
from model import Net


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default=None)
    args = parser.parse_args()
    config = yaml.safe_load(Path(__file__).with_name("config.yaml").read_text())
    settings = config["train"]
    if args.device:
        settings["device"] = args.device

    torch.manual_seed(settings["seed"])
    engine = Engine(Net(config["model"]["width"], device=settings["device"]), settings)
    data = torch.randn(settings["steps"], 32, 8)
    for step, x in enumerate(data):
        loss = engine.train_step(x, x[:, :1].sin())
        if step % 3 == 0:
            print(f"step {step} loss {loss.item():.5f}")
    engine.close()


if __name__ == "__main__":
    main()
