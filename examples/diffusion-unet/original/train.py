"""Train a small diffusion model and draw from it.

    python train.py
    python train.py --device cpu --precision fp32
"""

import argparse
import copy
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from data import make_dataset
from diffusion import Diffusion
from unet import UNet


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", type=torch.device, default=torch.device("cuda:0"))
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--ema", type=float, default=0.99)
    parser.add_argument("--precision", default="bf16", choices=["bf16", "fp32"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sample-steps", type=int, default=20)
    parser.add_argument("--checkpoint", type=Path, default=Path("diffusion.pt"))
    parser.add_argument("--log-every", type=int, default=10)
    return parser.parse_args()


@torch.no_grad()
def update_ema(ema: torch.nn.Module, model: torch.nn.Module, decay: float) -> None:
    torch._foreach_lerp_(list(ema.parameters()), list(model.parameters()), 1 - decay)


def render(image: torch.Tensor) -> str:
    """A picture in characters."""
    shades = " .:*#"
    levels = ((image.clamp(-1, 1) + 1) / 2 * (len(shades) - 1)).round().int().tolist()
    return "\n".join("".join(2 * shades[level] for level in row) for row in levels)


def main() -> None:
    args = parse_args()
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
    torch.manual_seed(args.seed)
    generator = torch.Generator(device=args.device).manual_seed(args.seed)

    loader = DataLoader(
        make_dataset(4096, seed=args.seed), args.batch_size, shuffle=True, drop_last=True, pin_memory=True
    )
    model = UNet().to(args.device)
    ema = copy.deepcopy(model).eval().requires_grad_(False)
    diffusion = Diffusion().to(args.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, foreach=True)

    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    step = 0
    while step < args.steps:
        for images, labels in loader:
            images = images.to(args.device, non_blocking=True)
            labels = labels.to(args.device, non_blocking=True)
            with torch.autocast(args.device.type, dtype=torch.bfloat16, enabled=args.precision == "bf16"):
                loss = diffusion.loss(model, images, labels, generator=generator)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            update_ema(ema, model, args.ema)
            step += 1
            if step % args.log_every == 0 or step == args.steps:
                print(f"step {step} loss {loss.item():.7f}")
            if step == args.steps:
                break
    end.record()
    torch.cuda.synchronize()
    print(f"{start.elapsed_time(end) / args.steps:.1f} ms a step")

    torch.save({"model": model.state_dict(), "ema": ema.state_dict()}, args.checkpoint)
    labels = torch.tensor([0, 1], device=args.device)
    for image in diffusion.sample(ema, labels, 16, args.sample_steps, generator=generator).cpu():
        print(render(image[0]))


if __name__ == "__main__":
    main()
