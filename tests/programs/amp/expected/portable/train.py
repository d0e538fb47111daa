"""Mixed precision: float16 autocast, a scaled loss, clipped gradients."""

import argparse
from contextlib import nullcontext

import torch
from torch import nn
from torch.amp import GradScaler, autocast

DEVICE = torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else "cpu"

parser = argparse.ArgumentParser()
parser.add_argument("--device", default=DEVICE)
parser.add_argument("--steps", type=int, default=12)
args = parser.parse_args()

device = torch.device(args.device)
amp = device.type != "cpu"
torch.manual_seed(0)

model = nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.LayerNorm(64), nn.Linear(64, 1)).to(device)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
scaler = GradScaler(DEVICE, enabled=amp and DEVICE == "cuda")
inputs = torch.randn(args.steps, 64, 32)
weights = torch.randn(32, 1) / 32**0.5

for step, x in enumerate(inputs):
    y = (x @ weights).to(device)
    x = x.to(device)
    with autocast(DEVICE) if amp else nullcontext():
        loss = nn.functional.mse_loss(model(x), y)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
    scaler.step(optimizer)
    scaler.update()
    optimizer.zero_grad(set_to_none=True)
    if step % 4 == 3:
        print(f"step {step + 1} loss {loss.item():.4f} norm {norm.item():.4f}")

if amp:
    print(f"peak memory {torch.get_device_module().max_memory_allocated() / 2**20:.1f} MiB")
    torch.get_device_module().empty_cache()
