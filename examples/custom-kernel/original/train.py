"""Selective copying: repeat, after a mark, the letters that stood among blanks.

    pip install .       # builds the CUDA extension; without it the scan is a loop in Python
    python train.py
"""

import argparse

import torch
import torch.nn.functional as F

from model import RecurrentLM
from rms_norm import triton
from scan import linear_scan_cuda

BLANK, MARK, LETTERS = 0, 1, 8  # letters are 2 ... 9


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--length", type=int, default=24)
    parser.add_argument("--copy", type=int, default=3, help="letters to remember")
    parser.add_argument("--lr", type=float, default=4e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", default="copy.pt")
    parser.add_argument("--log-every", type=int, default=10)
    return parser.parse_args()


def make_batch(args: argparse.Namespace, generator: torch.Generator) -> torch.Tensor:
    letters = torch.randint(2, 2 + LETTERS, (args.batch_size, args.copy), generator=generator)
    places = torch.rand(args.batch_size, args.length, generator=generator).argsort(dim=1)[:, : args.copy].sort().values
    story = torch.full((args.batch_size, args.length), BLANK).scatter(1, places, letters)
    return torch.cat([story, torch.full((args.batch_size, 1), MARK), letters], dim=1)


def main() -> None:
    args = parse_args()
    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(args.seed)
    if torch.cuda.is_available():
        major, minor = torch.cuda.get_device_capability()
        print(f"{torch.cuda.get_device_name()}, sm_{major}{minor}")
        torch.backends.cuda.matmul.allow_tf32 = major >= 8
    print(f"triton: {triton is not None}, CUDA extension: {linear_scan_cuda is not None}")

    model = RecurrentLM(vocab=2 + LETTERS).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    generator = torch.Generator().manual_seed(args.seed)
    for step in range(1, args.steps + 1):
        tokens = make_batch(args, generator).to(device, non_blocking=True)
        logits = model(tokens[:, :-1])[:, -args.copy :]
        loss = F.cross_entropy(logits.flatten(0, 1), tokens[:, -args.copy :].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if step % args.log_every == 0 or step == args.steps:
            correct = (logits.argmax(-1) == tokens[:, -args.copy :]).float().mean()
            print(f"step {step} loss {loss.item():.7f} correct {correct.item():.3f}")
    torch.save(model.state_dict(), args.save)


if __name__ == "__main__":
    main()
