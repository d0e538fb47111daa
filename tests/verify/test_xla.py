"""XLA on the CPU, for real: `make xla` builds its environment (2.2 GB) and runs these."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from porter.verify.environments import XlaEnvironment
from tests.verify.conftest import Program

pytest.importorskip("torch", reason="porter verify needs torch")

XLA = XlaEnvironment(Path(given) if (given := os.environ.get("PORTER_XLA_ENV")) else None)
pytestmark = pytest.mark.skipif(bool(XLA.missing()), reason=f"{XLA.missing()} (`make xla` does, and runs this)")

CASES = """
import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):
        q, k, v = self.qkv(self.norm1(x)).unflatten(-1, (3, 4, -1)).transpose(1, 3).unbind(2)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
        x = x + self.proj(y)
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    def __init__(self, width=64, layers=2):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(64, width), nn.Embedding(32, width)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(layers)))
        self.head = nn.Linear(width, 64, bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, tokens):
        x = self.tokens(tokens) + self.positions(torch.arange(tokens.shape[1], device=tokens.device))
        return self.head(self.blocks(x))


def gpt(device):
    tokens = torch.randint(64, (4, 33))
    return {
        "model": GPT(),
        "inputs": tokens[:, :-1],
        "targets": tokens[:, 1:],
        "loss": lambda logits, targets: F.cross_entropy(logits.flatten(0, 1), targets.flatten()),
        "optimizer": lambda model: torch.optim.AdamW(model.parameters(), lr=1e-3),
    }


def mlp(device):
    return {
        "model": nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 4)),
        "inputs": torch.randn(8, 16),
        "targets": torch.randint(4, (8,)),
        "loss": F.cross_entropy,
        "optimizer": lambda model: torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
    }


def shapes(device):
    batches = [torch.randn(n, 16) for n in (3, 5, 7, 9, 5, 7)]
    return {"model": nn.Linear(16, 4), "inputs": batches}


class Masked(nn.Module):
    def forward(self, x):
        return x[x > 0].sum(), torch.nonzero(x).shape[0] * x


def masked(device):
    return {"model": Masked(), "inputs": torch.arange(-4.0, 4.0)}


CASES = {
    "mlp": {"factory": mlp, "steps": 20},
    "gpt": {"factory": gpt, "steps": 20},
    "gpt in bfloat16": {"factory": gpt, "steps": 20, "precision": "bfloat16", "autocast": True},
    "shapes": {"factory": shapes},
    "masked": {"factory": masked},
}
"""


def outcome(program: Program, case: str, status: int = 0) -> dict[str, Any]:
    program.write("porter_cases.py", CASES)
    return program.outcome("--backend", "xla-cpu", "--env-dir", str(XLA.folder), "--case", case, status=status)


@pytest.mark.parametrize("case", ["mlp", "gpt", "gpt in bfloat16"])
def test_training_agrees_with_the_cpu(fresh: Program, case: str) -> None:
    found = outcome(fresh, case)
    assert found["verdict"] == "PASS"
    assert found["place"].startswith("XLA on the CPU, torch_xla 2.9.0, PyTorch 2.9.0")
    assert found["counters"]["compiled"] >= 1
    assert found["counters"]["compiled"] + found["counters"]["reused"] == 20, "one graph for each step"
    assert found["counters"]["compile_seconds"] > 0
    assert not found["counters"]["cpu_fallbacks"]
    assert not any("not one bit" in warning for warning in found["warnings"])


def test_every_new_shape_is_a_new_graph(fresh: Program) -> None:
    counters = outcome(fresh, "shapes")["counters"]
    assert (counters["compiled"], counters["reused"]) == (4, 2)


def test_operators_that_xla_leaves_to_the_cpu_are_named(fresh: Program) -> None:
    assert "aten::nonzero" in outcome(fresh, "masked")["counters"]["cpu_fallbacks"]


def test_a_wrong_port_fails_on_xla_too(program: Program) -> None:
    program.change("port/model.py", "x * 0.5", "x * 0.51")
    found = program.outcome("--backend", "xla-cpu", "--env-dir", str(XLA.folder), "--per-layer", status=1)
    assert found["first_divergence"].startswith("in `scale` (Scale)")
