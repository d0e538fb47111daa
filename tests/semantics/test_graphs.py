"""Without its CUDA graph a program computes what each replay computes: the body, on what the tensors hold then."""

from __future__ import annotations

import pytest

from porter.api import rewrite_source

torch = pytest.importorskip("torch")

PROGRAM = """\
import torch


class Runner:
    def __init__(self, model, static_input):
        self.model, self.static_input = model, static_input
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.output = self.model(self.static_input)

    def __call__(self, x):
        self.static_input.copy_(x)
        self.graph.replay()
        return self.output.clone()


def train(model, optimizer, x, batches):
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        optimizer.zero_grad()
        loss = model(x).square().sum()
        loss.backward()
        optimizer.step()
    losses = []
    for batch in batches:
        x.copy_(batch)
        graph.replay()
        losses.append(loss.item())
    return losses
"""


def test_replays_become_what_was_captured() -> None:
    ported = rewrite_source(PROGRAM)
    assert not ported.left and "cuda" not in ported.source
    names: dict[str, object] = {}
    exec(ported.source, names)
    torch.manual_seed(0)
    model, batches = torch.nn.Linear(3, 2), torch.randn(4, 5, 3)
    run = names["Runner"](model, torch.zeros(5, 3))  # type: ignore[operator]
    assert all(torch.equal(run(batch), model(batch)) for batch in batches)
    other = torch.nn.Linear(3, 2)
    other.load_state_dict(model.state_dict())
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    losses = names["train"](model, optimizer, torch.zeros(5, 3), batches)  # type: ignore[operator]
    expected, plain = [], torch.optim.SGD(other.parameters(), 0.1)
    for batch in batches:
        plain.zero_grad()
        loss = other(batch).square().sum()
        loss.backward()
        plain.step()
        expected.append(loss.item())
    assert losses == expected
