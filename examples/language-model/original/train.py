"""Train a small GPT on a synthetic corpus.

One GPU:      python train.py --compile
Several:      torchrun --nproc_per_node 8 train.py
No GPU:       python train.py --device cpu --dtype float32
Go on:        python train.py --resume out/last.pt
"""

import argparse
import json
import math
from contextlib import nullcontext
from pathlib import Path

import torch
from torch.nn.parallel import DistributedDataParallel as DDP

import checkpoint
from data import ALPHABET, Windows, feed, make_corpus, make_loader
from model import GPT, GPTConfig
from runtime import StepTimer, World, describe, memory_report, seed_everything, start, stop

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def parse_args() -> argparse.Namespace:
    bf16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=Path(__file__).with_name("config.json"))
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"], help="where to train")
    parser.add_argument("--backend", default="nccl", help="process group backend")
    parser.add_argument("--dtype", default="bfloat16" if bf16 else "float16", choices=list(DTYPES))
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--warmup", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--accumulate", type=int, default=2, help="micro batches per step")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1337)
    parser.add_argument("--compile", action="store_true", help="use torch.compile")
    parser.add_argument("--resume", type=Path)
    parser.add_argument("--out", type=Path, default=Path("out"))
    parser.add_argument("--log-every", type=int, default=10)
    config = json.loads(parser.parse_known_args()[0].config.read_text())
    parser.set_defaults(**config["train"])
    args = parser.parse_args()
    args.model = config["model"]
    return args


def learning_rate(step: int, args: argparse.Namespace) -> float:
    """Linear warm-up, then a cosine down to a tenth."""
    if step < args.warmup:
        return args.lr * (step + 1) / args.warmup
    progress = min(1.0, (step - args.warmup) / max(1, args.steps - args.warmup))
    return args.lr * (0.55 + 0.45 * math.cos(math.pi * progress))


def train(args: argparse.Namespace, world: World, device: torch.device) -> None:
    seed_everything(args.seed + world.rank)

    config = GPTConfig(vocab_size=len(ALPHABET), **args.model)
    dataset = Windows(make_corpus(200_000, args.seed), config.block_size)
    loader = make_loader(dataset, args.batch_size, args.workers, world.distributed, args.seed)

    model = GPT(config).to(device)
    optimizer = torch.optim.AdamW(
        model.parameter_groups(weight_decay=0.1), lr=args.lr, betas=(0.9, 0.95), fused=device.type == "cuda"
    )
    if args.compile:
        model = torch.compile(model, mode="max-autotune")
    if world.distributed:
        model = DDP(model, device_ids=[world.local_rank] if device.type == "cuda" else None)

    device_type = "cuda" if "cuda" in args.device else "cpu"
    context = nullcontext() if device_type == "cpu" else torch.amp.autocast(device_type, dtype=DTYPES[args.dtype])
    scaler = torch.amp.GradScaler(device_type, enabled=args.dtype == "float16")
    step = 0
    if args.resume:
        step = checkpoint.load(args.resume, model, optimizer, scaler, device)
    if world.main:
        print(f"training on {describe(device)}, {world.size} process(es), {len(dataset)} windows")

    timer = StepTimer(device)
    batches = feed(loader, device)
    while step < args.steps:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, args)
        timer.start()
        for micro in range(args.accumulate):
            if world.distributed:
                model.require_backward_grad_sync = micro == args.accumulate - 1
            tokens, targets = next(batches)
            with context:
                _, loss = model(tokens, targets)
            scaler.scale(loss / args.accumulate).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad(set_to_none=True)
        elapsed = timer.stop()
        step += 1
        if world.main and (step % args.log_every == 0 or step == args.steps):
            print(f"step {step} loss {loss.item():.7f}")
            print(f"  {elapsed:.1f} ms, {memory_report(device)}")

    if world.main:
        checkpoint.save(args.out / "last.pt", model, optimizer, scaler, step)
        prompt = torch.zeros((1, 1), dtype=torch.long, device=device)
        sample = checkpoint.unwrap(model).eval().generate(prompt, 64)[0].tolist()
        print("sample:", repr("".join(ALPHABET[i] for i in sample)))


def main() -> None:
    args = parse_args()
    world, device = start(args.device, args.backend)
    train(args, world, device)
    if device.type == "cuda":
        torch.cuda.empty_cache()
    stop(world)


if __name__ == "__main__":
    main()
