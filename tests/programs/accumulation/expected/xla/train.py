"""A language model with tied weights, and gradients accumulated over micro-batches."""

import argparse
import os

import torch
import torch.nn.functional as F
import torch_xla
from torch import nn

VOCABULARY, BLOCK, DIM = 24, 16, 32


class LanguageModel(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, DIM)
        self.mix = nn.GRU(DIM, DIM, batch_first=True)
        self.head = nn.Linear(DIM, VOCABULARY, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens, targets):
        hidden, _ = self.mix(self.embed(tokens))
        return F.cross_entropy(self.head(hidden).flatten(0, 1), targets.flatten())


def get_batch(generator, device):
    starts = torch.randint(VOCABULARY, (8, 1), generator=generator)
    tokens = (starts + torch.arange(BLOCK + 1)) % VOCABULARY
    x, y = tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()
    if "cuda" in device:
        return x.pin_memory().to(device, non_blocking=True), y.pin_memory().to(device, non_blocking=True)
    return x.to(device), y.to(device)


parser = argparse.ArgumentParser()
parser.add_argument("--device", default=os.environ.get("DEVICE", "xla"))
parser.add_argument("--iters", type=int, default=8)
parser.add_argument("--accumulate", type=int, default=2)
args = parser.parse_args()

torch.manual_seed(1337)
device_type = "cuda" if "cuda" in args.device else "cpu"
data = torch.Generator().manual_seed(1)

model = LanguageModel()
model.to(args.device)
model.head.weight = model.embed.weight
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, fused=device_type == "cuda")

x, y = get_batch(data, args.device)
for it in range(args.iters):
    for micro_step in range(args.accumulate):
        loss = model(x, y) / args.accumulate
        x, y = get_batch(data, args.device)
        loss.backward()
        torch_xla.sync()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    torch_xla.sync()
    if it % 2 == 1:
        if device_type == "cuda":
            torch.cuda.synchronize()
        print(f"iter {it + 1} loss {loss.item() * args.accumulate:.4f}")

model.eval()
correct = count = 0
with torch.no_grad():
    for _ in range(2):
        x, y = get_batch(data, args.device)
        hidden, _ = model.mix(model.embed(x))
        correct += (model.head(hidden).argmax(-1) == y).sum().item()
        count += y.numel()
        torch_xla.sync()
print(f"accuracy {correct / count:.3f} with {sum(p.numel() for p in model.parameters())} parameters")
