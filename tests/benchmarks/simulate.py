"""What the simulated device costs over CPU: ``python -m tests.benchmarks.simulate [--update]``

CPU seconds of one thread (user and system), the best of several runs, device and CPU in turns on the same machine. The
budgets are those of docs/benchmarks.md: 15 microseconds for an operator, 1.5 times CPU for a step of a GPT with
d_model 256.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable, Iterator
from typing import Any

from tests.benchmarks import page

OPERATORS = {
    "add": "a + b",
    "add in place": "a.add_(b)",
    "matrix product": "a @ b",
    "cast": "a.to(torch.bfloat16)",
    "view": "a.view(16)",
    "transpose": "a.t()",
    "layer norm": "torch.layer_norm(a, (4,))",
    "concatenate": "torch.cat((a, b))",
}
SIZES = {64: 2, 128: 4, 256: 4}  # d_model: layers
DEVICES = ("cpu", "neuron")


def spent(run: Callable[[], object], times: int) -> float:
    """CPU seconds for one call, the least of several tries."""
    run()
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        for _ in range(times):
            run()
        best = min(best, (time.process_time() - start) / times)
    return best


def operator(expression: str) -> dict[str, float]:
    """Microseconds for an expression over 4 x 4 tensors a and b, by device."""
    import torch

    code = compile(expression, "<benchmark>", "eval")
    found = {}
    for device in DEVICES:
        names = {"torch": torch, "a": torch.randn(4, 4, device=device), "b": torch.zeros(4, 4, device=device)}
        found[device] = spent(lambda names=names: eval(code, names), 2000) * 1e6
    return found


def step(width: int, layers: int, dtype: Any = None) -> dict[str, float]:
    """Milliseconds for a training step of a GPT (batch 8, sequence 64), by device; with autocast if a type is given."""
    import torch

    found = {}
    for device in DEVICES:
        torch.manual_seed(0)
        model = gpt(width, layers).to(device)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, foreach=True)
        tokens = torch.randint(0, 512, (8, 65)).to(device)

        def train(model: Any = model, optimizer: Any = optimizer, tokens: Any = tokens, device: str = device) -> None:
            optimizer.zero_grad()
            with torch.autocast(device, dtype=dtype or torch.bfloat16, enabled=dtype is not None):
                logits = model(tokens[:, :-1])
                loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
            loss.backward()
            optimizer.step()

        found[device] = spent(train, 3) * 1e3
    return found


def gpt(width: int, layers: int) -> Any:
    """A language model of the usual kind: 512 tokens, attention with causal masks, a head tied to the embedding."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

        def forward(self, x: Any) -> Any:
            batch, length, _ = x.shape
            q, k, v = (
                part.view(batch, length, width // 32, 32).transpose(1, 2)
                for part in self.qkv(self.norms[0](x)).split(width, 2)
            )
            heads = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(heads.transpose(1, 2).reshape(batch, length, width))
            return x + self.mlp(self.norms[1](x))

    class GPT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens, self.places = nn.Embedding(512, width), nn.Embedding(64, width)
            self.blocks = nn.Sequential(*(Block() for _ in range(layers)))
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 512, bias=False)
            self.head.weight = self.tokens.weight

        def forward(self, tokens: Any) -> Any:
            places = torch.arange(tokens.shape[1], device=tokens.device)
            return self.head(self.norm(self.blocks(self.tokens(tokens) + self.places(places))))

    return GPT()


def rows() -> Iterator[str]:
    """The two tables, line by line as they are measured."""
    import torch

    def row(what: str, found: dict[str, float]) -> str:
        cpu, neuron = (found[device] for device in DEVICES)
        return f"| {what} | {cpu:.1f} | {neuron:.1f} | {neuron / cpu:.2f} |"

    yield "| operator, 4 x 4 float32 | CPU, us | simulated, us | ratio |"
    yield "|---|--:|--:|--:|"
    for what, expression in OPERATORS.items():
        yield row(what, operator(expression))
    yield "\n| GPT training step (batch 8, 64 tokens, AdamW) | CPU, ms | simulated, ms | ratio |"
    yield "|---|--:|--:|--:|"
    for width, layers in SIZES.items():
        yield row(f"d_model {width}, {layers} layers", step(width, layers))
    yield row("d_model 256, 4 layers, autocast bfloat16", step(256, 4, torch.bfloat16))


def main() -> None:
    """Measure, print, and with --update write the tables of docs/benchmarks.md."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--machine", default=platform.machine(), help="what to call this machine")
    parser.add_argument("--update", action="store_true", help="write the page")
    arguments = parser.parse_args()
    import torch

    from porter.simulate import install

    torch.set_num_threads(1)
    install()
    lines = [f"Measured on {arguments.machine}, Python {platform.python_version()}, torch {torch.__version__}.\n"]
    print(lines[0])
    for line in rows():
        print(line, flush=True)
        lines.append(line)
    if arguments.update:
        page.write("simulated device", "\n".join(lines))


if __name__ == "__main__":
    main()
