"""Draws that were moved to the CPU draw the same numbers: on one device, before and after are one program."""

from __future__ import annotations

import pytest

from porter.api import rewrite_source

torch = pytest.importorskip("torch")

PROGRAM = """\
import torch

g = torch.Generator(device="cuda").manual_seed(7)
result = [
    torch.randn(2, 3, generator=g, device="cuda", dtype=torch.float64).clamp(-1, 1),
    torch.randint(0, 9, (4,), device="cuda", generator=g),
    torch.rand(
        3,
        generator=g,
        device="cuda",
    ),
    torch.randperm(5, generator=g),
]
"""


def test_the_numbers_are_the_same() -> None:
    ported = rewrite_source(PROGRAM)
    assert not ported.left and "cuda" not in ported.source
    before: dict[str, list[torch.Tensor]] = {}
    after: dict[str, list[torch.Tensor]] = {}
    exec(PROGRAM.replace("cuda", "cpu"), before)
    exec(ported.source.replace("neuron", "cpu"), after)
    assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(before["result"], after["result"], strict=True))
