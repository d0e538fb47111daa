"""Autocast: which operators run in which type."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.benchmarks.simulate import gpt

torch = pytest.importorskip("torch")
functional = torch.nn.functional
pytestmark = pytest.mark.usefixtures("simulation")


def device(*shape: int, dtype: Any = None) -> Any:
    return torch.randn(*shape).to("neuron", dtype or torch.float32)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_types(dtype: Any) -> None:
    full, low, wide = device(4, 4), device(4, 4, dtype=dtype), device(4, 4).double()
    with torch.autocast("neuron", dtype=dtype):
        assert torch.is_autocast_enabled("neuron") and torch.get_autocast_dtype("neuron") is dtype
        for result in (full @ full, functional.linear(full, full), torch.einsum("ij,jk", full, full), full @ low):
            assert result.dtype is dtype
        assert functional.conv2d(device(1, 2, 4, 4), device(2, 2, 3, 3)).dtype is dtype
        assert functional.scaled_dot_product_attention(*[device(1, 1, 4, 4)] * 3).dtype is dtype
        for result in (low.softmax(-1), low.exp(), low.sum(), functional.layer_norm(low, (4,)), low.pow(2), low.norm()):
            assert result.dtype is torch.float32
        assert functional.cross_entropy(low, torch.tensor([0, 1, 2, 3]).to("neuron")).dtype is torch.float32
        assert low.softmax(-1, dtype=dtype).dtype is dtype  # a call that names a type gets it
        assert torch.addcmul(low, full, low).dtype is torch.float32 and torch.addcmul(low, low, low).dtype is dtype
        assert (low + low).dtype is dtype and full.relu().dtype is torch.float32
        assert (wide @ wide).dtype is torch.float64
        assert (full.cpu() @ full.cpu()).dtype is torch.float32  # only the device
        with torch.autocast("neuron", enabled=False):
            assert (full @ full).dtype is torch.float32
        with pytest.raises(RuntimeError, match="unsafe to autocast"):
            functional.binary_cross_entropy(full.sigmoid(), full.sigmoid())
    assert (full @ full).dtype is torch.float32


def test_recurrent_layers_run_in_the_lower_type() -> None:
    layer = torch.nn.LSTM(4, 4).to("neuron")
    with torch.autocast("neuron", dtype=torch.bfloat16):
        result, _ = layer(device(3, 2, 4))
    assert result.dtype is torch.bfloat16
    result.float().sum().backward()
    assert layer.weight_ih_l0.grad.dtype is torch.float32


def test_weights_are_cast_once(trace: Any) -> None:
    layer = torch.nn.Linear(4, 4, bias=False).to("neuron")
    rows = device(2, 4, dtype=torch.bfloat16)

    def casts() -> int:
        return sum(operator.count for operator in trace.summary().operators if operator.name == "aten::_to_copy")

    trace.clear()
    with torch.autocast("neuron", dtype=torch.bfloat16):
        total = layer(rows) + layer(rows)
    assert casts() == 1
    total.sum().backward()
    assert layer.weight.grad.dtype is torch.float32
    with torch.no_grad():
        layer.weight.zero_()
    with torch.autocast("neuron", dtype=torch.bfloat16):
        assert not layer(rows).any()  # what was kept ended with the region
    trace.clear()
    with torch.autocast("neuron", dtype=torch.bfloat16, cache_enabled=False):
        layer(rows), layer(rows)
    assert casts() == 2
    with torch.autocast("neuron", dtype=torch.bfloat16):
        with torch.no_grad():
            layer(rows)
        layer(rows).sum().backward()  # what was cast without gradients does not cut them off


def test_it_computes_what_cpu_does() -> None:
    torch.manual_seed(0)
    model = gpt(32, 2)
    tokens = torch.randint(0, 512, (2, 16))
    found = []
    for where in ("cpu", "neuron"):
        ours = copy.deepcopy(model).to(where)
        with torch.autocast(where, dtype=torch.bfloat16):
            loss = functional.cross_entropy(ours(tokens.to(where)).flatten(0, 1), tokens.flatten().to(where))
        loss.backward()
        found.append((loss.item(), ours.tokens.weight.grad.norm().item()))
    assert found[1] == pytest.approx(found[0], rel=2e-3)
