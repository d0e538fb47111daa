"""Generate text token by token, with a cache of keys and values."""

import argparse
import time

import torch
import torch.nn.functional as F
import torch_xla
from torch import nn

ALPHABET = "abcdefghijklmnopqrstuvwxyz .\n"
DIM, HEADS, LIMIT = 32, 4, 32


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(DIM, 3 * DIM)
        self.out = nn.Linear(DIM, DIM)

    def forward(self, x, cache, position):
        q, k, v = (t.view(1, -1, HEADS, DIM // HEADS).transpose(1, 2) for t in self.qkv(x).chunk(3, dim=-1))
        cache[0].index_copy_(2, position, k)
        cache[1].index_copy_(2, position, v)
        mask = torch.arange(LIMIT, device=x.device)[None, :] <= position[:, None]
        y = F.scaled_dot_product_attention(q, cache[0], cache[1], attn_mask=mask)
        return self.out(y.transpose(1, 2).reshape(1, -1, DIM))


class Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(len(ALPHABET), DIM)
        self.attention = Attention()
        self.norm = nn.LayerNorm(DIM)
        self.head = nn.Linear(DIM, len(ALPHABET))

    def forward(self, tokens, cache, position):
        x = self.embed(tokens)
        return self.head(self.norm(x + self.attention(x, cache, position)))


@torch.no_grad()
def generate(model, prompt, length, device):
    cache = [torch.zeros(1, HEADS, LIMIT, DIM // HEADS, device=device) for _ in range(2)]
    logits = model(prompt, cache, torch.arange(prompt.shape[1], device=device))
    token = logits[:, -1:].argmax(dim=-1)
    tokens = [token]
    for i in range(length - 1):
        position = torch.tensor([prompt.shape[1] + i], device=device)
        logits = model(token, cache, position)
        token = logits.argmax(dim=-1)
        tokens.append(token)
        torch_xla.sync()
    return torch.cat(tokens, dim=1), logits


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--prompt", default="once upon a ")
    parser.add_argument("--length", type=int, default=12)
    parser.add_argument("--cpu", action="store_true")
    args = parser.parse_args()

    torch.manual_seed(0)
    device = "cpu" if args.cpu else "xla"
    model = Decoder().eval().to(device)
    prompt = torch.tensor([[ALPHABET.index(c) for c in args.prompt]]).to(device)
    if device == "xla":
        torch_xla.sync(wait=True)
    start = time.perf_counter()
    tokens, logits = generate(model, prompt, args.length, device)
    if device == "xla":
        torch_xla.sync(wait=True)
    seconds = time.perf_counter() - start
    assert seconds > 0
    print(f"tokens {' '.join(str(t) for t in tokens[0].tolist())}")
    print(f"logits {logits.float().mean().item():.5f} {logits.float().std().item():.5f}")


if __name__ == "__main__":
    main()
