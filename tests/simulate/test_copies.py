"""Between host and device: copies, casts, layouts, pinned memory."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("simulation")


def kinds(trace: Any) -> dict[str, int]:
    """Bytes in all, by kind of transfer."""
    found: Counter[str] = Counter()
    for each in trace.summary().transfers:
        found[each.kind] += each.nbytes
    return found


def test_to(trace: Any) -> None:
    host = torch.arange(4.0)
    ours = host.to("neuron")
    assert ours.to("neuron") is ours and ours.to("neuron:0") is ours and ours.to(ours.device) is ours
    ours.add_(1)
    assert host.tolist() == [0, 1, 2, 3]  # a copy, though both are memory of this machine
    back = ours.to("cpu")
    back.zero_()
    assert ours.tolist() == [1, 2, 3, 4]
    other = ours.to("neuron:1", torch.float16, non_blocking=True)
    assert (other.device.index, other.dtype) == (1, torch.float16)
    assert ours.to(other).device.index == 1 and ours.to(torch.int32).dtype is torch.int32
    assert ours.cpu().is_cpu and ours.type(torch.int64).is_neuron and ours.neuron(1).device.index == 1
    assert kinds(trace) == {"h2d": 16, "d2h": 16 * 3, "d2d": 16 * 3}


def test_copy_() -> None:
    ours, host = torch.zeros(2, 3, device="neuron"), torch.arange(6).reshape(3, 2)
    ours.copy_(host.t())
    assert ours.tolist() == [[0, 2, 4], [1, 3, 5]] and ours.dtype is torch.float32
    host.copy_(ours.t())
    assert host.tolist() == [[0, 1], [2, 3], [4, 5]]
    ours[0].copy_(torch.tensor(7))
    ours[1, :2] = torch.ones(2)
    assert ours.tolist() == [[7, 7, 7], [1, 1, 5]]
    with pytest.raises(NotImplementedError, match="no data"):
        ours.copy_(torch.empty(2, 3, device="meta"))
    assert ours.to("meta").is_meta


def test_gradients_cross() -> None:
    leaf = torch.ones(2, requires_grad=True)
    leaf.to("neuron").to(torch.bfloat16).sum().backward()
    assert leaf.grad.is_cpu and leaf.grad.tolist() == [1, 1]
    ours = torch.ones(2, device="neuron", requires_grad=True)
    ours.cpu().sum().backward()
    assert ours.grad.is_neuron


def test_copies_of_tensors() -> None:
    ours = torch.randn(3, 4, device="neuron:1", requires_grad=True)
    for twin in (copy.deepcopy(ours), ours.clone(), ours.detach().clone()):
        assert twin.device == ours.device and twin.equal(ours) and twin.data_ptr() != ours.data_ptr()
    assert copy.copy(ours).data_ptr() == ours.data_ptr()
    parameter = torch.nn.Parameter(ours.detach())
    assert type(copy.deepcopy(parameter)) is torch.nn.Parameter
    assert torch.tensor(ours.tolist(), device="neuron").is_neuron and torch.as_tensor(ours) is ours
    assert ours.new_zeros(2).device == ours.device and torch.zeros_like(ours, device="cpu").is_cpu


def test_reading_on_the_host_is_traced(trace: Any) -> None:
    ours = torch.arange(3.0).to("neuron")
    float(ours[0]), bool(ours[0] == 0), ours.equal(ours), str(ours)
    found = {sync.kind: sync.count for sync in trace.summary().syncs}
    assert found["item"] >= 2 and found["equal"] == 1
    assert all(sync.path == __file__ for sync in trace.summary().syncs)


def test_layouts(simulation: Any) -> None:
    image = torch.ones(1, 2, 3, 3)
    for attempt in (
        lambda: image.to("neuron").to(memory_format=torch.channels_last),
        lambda: image.to("neuron", memory_format=torch.channels_last),
        lambda: image.to("neuron").contiguous(memory_format=torch.channels_last),
        lambda: torch.empty(1, 2, 3, 3, device="neuron", memory_format=torch.channels_last),
        lambda: torch.nn.Conv2d(2, 2, 1).to("neuron").to(memory_format=torch.channels_last),
    ):
        with pytest.raises(RuntimeError, match="only support contiguous or preserve memory format"):
            attempt()
    with simulation.policies.using(channels_last="off"):
        last = image.to("neuron").contiguous(memory_format=torch.channels_last)
        assert last.is_contiguous(memory_format=torch.channels_last)
        assert torch.nn.Conv2d(2, 4, 1).to("neuron")(last).is_contiguous(memory_format=torch.channels_last)
    assert image.transpose(1, 3).to("neuron").stride() == image.transpose(1, 3).stride()  # preserved


def test_pinned_memory() -> None:
    host = torch.ones(2)
    assert host.is_pinned() and host.pin_memory() is host  # all host memory counts as pinned (T-ALLOC)
    with pytest.raises(RuntimeError, match="only dense CPU tensors can be pinned"):
        host.to("neuron").pin_memory()
    assert not host.to("neuron").is_pinned()
    with pytest.raises(RuntimeError, match="Only dense CPU tensors can be pinned"):
        torch.empty(2, device="neuron", pin_memory=True)
