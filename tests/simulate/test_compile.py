"""torch.compile: the backend, what it refuses, and what it computes."""

from __future__ import annotations

import logging
from typing import Any

import pytest

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def _fresh(simulation: Any) -> Any:
    import torch._dynamo

    yield
    torch._dynamo.reset()


def block() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.GELU(), torch.nn.LayerNorm(8), torch.nn.Linear(8, 2))


@pytest.mark.parametrize(
    "options", [{"backend": "neuron"}, {}, {"backend": "neuron", "fullgraph": True, "dynamic": False}], ids=str
)
def test_forward_and_backward(options: dict[str, Any]) -> None:
    eager, rows = block().to("neuron"), torch.randn(3, 4).to("neuron")
    compiled = torch.compile(eager, **options)
    expected = eager(rows)
    expected.sum().backward()
    grads = [parameter.grad.clone() for parameter in eager.parameters()]
    eager.zero_grad()
    result = compiled(rows)
    assert result.is_neuron
    result.sum().backward()
    torch.testing.assert_close(result.cpu(), expected.cpu())
    for grad, parameter in zip(grads, eager.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad.cpu(), grad.cpu())


def test_every_shape_is_a_graph_of_its_own() -> None:
    from torch._dynamo.utils import counters

    counters.clear()
    compiled = torch.compile(lambda x: x.sin() * 2, backend="neuron")
    for length in (3, 5, 7, 9, 5, 7):
        assert compiled(torch.ones(length, device="neuron")).shape == (length,)
    assert counters["stats"]["unique_graphs"] == 4


def test_dynamic_shapes_are_rejected() -> None:
    with pytest.raises(RuntimeError, match="dynamic shapes are not supported"):
        torch.compile(block(), dynamic=True)
    with pytest.raises(RuntimeError, match="dynamic shapes are not supported"):
        torch.compile(block(), backend="neuron", dynamic=True)

    past_torch_compile = torch._dynamo.optimize("neuron", dynamic=True)(lambda x: x.sin())
    with pytest.raises(Exception, match="dynamic shapes are not supported"):
        past_torch_compile(torch.ones(5, device="neuron"))


def test_modes_are_ignored_aloud(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        compiled = torch.compile(lambda x: x + 1, backend="neuron", mode="max-autotune")
    assert "torch.compile(mode='max-autotune') has no effect on Neuron" in caplog.text
    assert compiled(torch.ones(1, device="neuron")).item() == 2


def test_decorators_methods_and_other_backends() -> None:
    @torch.compile(backend="neuron")
    def plain(x: Any) -> Any:
        return x.cos()

    @torch.compile
    def bare(x: Any) -> Any:
        return x.cos()

    base = torch.ones(2, device="neuron")
    assert plain(base).equal(base.cos()) and bare(base).equal(base.cos())
    module = block().to("neuron")
    module.compile(backend="neuron")
    assert module(torch.ones(1, 4, device="neuron")).is_neuron
    assert torch.compile(lambda x: x.cos(), backend="eager", dynamic=True)(base).equal(base.cos())
    assert torch.compile(lambda x: x * 2, backend="neuron")(torch.ones(1)).item() == 2  # CPU tensors, too


def test_with_autocast_and_attention() -> None:
    query = torch.randn(1, 2, 4, 8).to("neuron").requires_grad_()

    def attend(x: Any) -> Any:
        with torch.autocast("neuron", dtype=torch.bfloat16):
            return torch.nn.functional.scaled_dot_product_attention(x, x, x, is_causal=True)

    result = torch.compile(attend, backend="neuron")(query)
    assert result.dtype is torch.bfloat16
    torch.testing.assert_close(result.float().cpu(), attend(query).float().cpu(), rtol=2e-2, atol=2e-2)
    result.float().sum().backward()
    assert query.grad.is_neuron


def test_capturing_without_computing() -> None:
    program = torch.export.export(block().to("neuron"), (torch.ones(3, 4, device="neuron"),))
    assert program.module()(torch.ones(3, 4, device="neuron")).is_neuron
    with torch._subclasses.FakeTensorMode():
        fake = torch.empty(2, 3, device="neuron")
        assert (fake @ fake.t()).device == torch.device("neuron:0")


def test_shapes_stay_symbolic_for_other_backends(simulation: Any) -> None:
    """What is replaced in PyTorch lets symbolic sizes through: a graph for CPU is compiled once for all shapes."""
    from torch._dynamo.utils import counters

    counters.clear()
    compiled = torch.compile(lambda x: x.sin(), backend="aot_eager", dynamic=True)
    for length in (3, 5, 7):
        compiled(torch.ones(length))
    assert counters["stats"]["unique_graphs"] == 1
