"""Train a small GPT on a synthetic corpus.

One GPU:      python train.py
Several:      torchrun --nproc_per_node 8 train.py
No GPU:       python train.py --device cpu --steps 3
"""

import argparse
from pathlib import Path

import torch
import yaml
from torch.cuda.amp import GradScaler, autocast
from torch.nn.parallel import DistributedDataParallel as DDP

import checkpoint
from data import ALPHABET, Windows, feed, make_corpus, make_loader
from model import GPT, GPTConfig
from runtime import StepTimer, describe, memory_report, seed_everything, start, stop


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=Path(__file__).with_name("config.yaml"))
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"], help="where to train")
    parser.add_argument("--backend", default="nccl", help="process group backend")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--lr", type=float, default=3e-4)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1337)
    parser.add_argument("--no-amp", dest="amp", action="store_false", help="train in float32")
    parser.add_argument("--compile", action="store_true", help="use torch.compile")
    parser.add_argument("--resume", type=Path)
    parser.add_argument("--out", type=Path, default=Path("out"))
    parser.add_argument("--log-every", type=int, default=10)
    config = yaml.safe_load(parser.parse_known_args()[0].config.read_text())
    parser.set_defaults(**config["train"])
    args = parser.parse_args()
    args.model = config["model"]
    return args


def train(args: argparse.Namespace) -> None:
    world, device = start(args.device, args.backend)
    seed_everything(args.seed + world.rank)

    corpus = make_corpus(200_000, args.seed)
    config = GPTConfig(vocab_size=len(ALPHABET), **args.model)
    dataset = Windows(corpus, config.block_size)
    loader = make_loader(dataset, args.batch_size, args.workers, world.distributed, args.seed)

    model = GPT(config).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, fused=device.type == "cuda")
    if args.compile:
        model = torch.compile(model, mode="max-autotune")
    if world.distributed:
        model = DDP(model, device_ids=[world.local_rank] if device.type == "cuda" else None)

    use_amp = args.amp and device.type == "cuda"
    scaler = GradScaler(enabled=use_amp)
    step = 0
    if args.resume:
        step = checkpoint.load(args.resume, model, optimizer, scaler, device)
    if world.main:
        print(f"training on {describe(device)}, {world.size} process(es), {len(dataset)} windows")

    timer = StepTimer(device)
    epoch = 0
    while step < args.steps:
        if world.distributed:
            loader.sampler.set_epoch(epoch)
        for tokens, targets in feed(loader, device):
            timer.start()
            with autocast(enabled=use_amp, dtype=torch.float16):
                _, loss = model(tokens, targets)
            optimizer.zero_grad(set_to_none=True)
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
            elapsed = timer.stop()
            step += 1
            if world.main and (step % args.log_every == 0 or step == args.steps):
                print(f"step {step:5} loss {loss.item():.4f} {elapsed:.1f} ms, {memory_report(device)}")
            if step == args.steps:
                break
        epoch += 1

    if world.main:
        checkpoint.save(args.out / "last.pt", model, optimizer, scaler, step)
        prompt = torch.zeros((1, 1), dtype=torch.long, device=device)
        sample = checkpoint.unwrap(model).eval().generate(prompt, 64)[0].tolist()
        print("sample:", repr("".join(ALPHABET[i] for i in sample)))
    if device.type == "cuda":
        torch.cuda.empty_cache()
    stop(world)


if __name__ == "__main__":
    train(parse_args())
