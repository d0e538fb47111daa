"""Train an image classifier with automatic mixed precision.

One GPU:  python train.py
No GPU:   python train.py --device cpu --no-amp
"""

import argparse
import time
from pathlib import Path

import torch
import torch.backends.cudnn as cudnn
import torch.nn as nn
from torch.amp import GradScaler, autocast

from data import SHAPES, make_loaders
from model import ResNet


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="neuron", help="cuda, cuda:1, cpu ...")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--steps", type=int, help="stop after this many steps")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=0.02)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--train-size", type=int, default=2048)
    parser.add_argument("--val-size", type=int, default=256)
    parser.add_argument("--no-amp", dest="amp", action="store_false", help="train in float32")
    parser.add_argument("--channels-last", action="store_true", help="NHWC: faster on tensor cores")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint", type=Path, default=Path("best.pt"))
    parser.add_argument("--log-every", type=int, default=10)
    return parser.parse_args()


def train_one_epoch(model, loader, criterion, optimizer, scheduler, scaler, device, step, args) -> int:
    model.train()
    for images, labels in loader:
        if step == args.steps:
            break
        images, labels = images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
        if args.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        with autocast("neuron", enabled=args.amp, dtype=torch.bfloat16):
            loss = criterion(model(images), labels)

        optimizer.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        scheduler.step()

        step += 1
        if step % args.log_every == 0 or step == args.steps:
            print(f"step {step} loss {loss.item():.7f} lr {scheduler.get_last_lr()[0]:.5f}")
    return step


@torch.no_grad()
def evaluate(model, loader, device, args) -> float:
    """The share of the pictures that the model names rightly."""
    model.eval()
    correct = torch.zeros((), device=device)
    for images, labels in loader:
        images = images.to(device, non_blocking=True)
        labels = labels.to(device, non_blocking=True)
        with autocast("neuron", enabled=args.amp, dtype=torch.bfloat16):
            logits = model(images)
        correct += (logits.argmax(dim=1) == labels).sum()
    return (correct / len(loader.dataset)).item()


def main() -> None:
    args = parse_args()
    torch.manual_seed(args.seed)
    torch.neuron.manual_seed_all(args.seed)
    cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True

    device = torch.device(args.device)
    train_loader, val_loader = make_loaders(args)
    model = ResNet(num_classes=len(SHAPES)).to(device)
    if args.channels_last:
        model = model.to(memory_format=torch.channels_last)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=0.9, weight_decay=5e-4, nesterov=True)
    total = args.epochs * len(train_loader)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=args.lr, total_steps=total)
    scaler = GradScaler("neuron", enabled=False)

    step, best = 0, 0.0
    for epoch in range(args.epochs):
        if device.type == "neuron":
            torch.neuron.reset_peak_memory_stats(device)
        began = time.time()
        step = train_one_epoch(model, train_loader, criterion, optimizer, scheduler, scaler, device, step, args)
        if device.type == "neuron":
            torch.neuron.synchronize()
        elapsed = time.time() - began
        accuracy = evaluate(model, val_loader, device, args)
        line = f"epoch {epoch} accuracy {accuracy:.4f} time {elapsed:.1f} s"
        if device.type == "neuron":
            line += f" memory {torch.neuron.max_memory_allocated(device) / 2**20:.0f} MiB"
        print(line)
        if accuracy > best:
            best = accuracy
            torch.save({"model": model.state_dict(), "scaler": scaler.state_dict(), "epoch": epoch}, args.checkpoint)
        if step == args.steps:
            break


if __name__ == "__main__":
    main()
