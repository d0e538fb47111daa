"""Operators: the same as on CPU, on the memory that the program believes it uses."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

from tests.simulate import opdb

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("simulation")

# One of each kind: pointwise, reductions, products, shapes, indices, random, factories, losses, convolutions, complex,
# in lists, with several results, and those that once failed.
SAMPLED = """
    add mul div:no_rounding_mode where clamp copysign sgn angle sum mean var std logsumexp cumsum prod matmul addmm
    einsum bmm cat stack split tensor_split reshape expand roll gather index_put index_select take_along_dim
    scatter_add masked_fill nonzero sort topk unique arange zeros_like randn bernoulli nn.functional.linear
    nn.functional.conv2d nn.functional.layer_norm nn.functional.rms_norm nn.functional.batch_norm
    nn.functional.embedding nn.functional.cross_entropy nn.functional.max_pool2d nn.functional.interpolate:bilinear
    nn.functional.scaled_dot_product_attention nn.functional.dropout nn.functional.gelu linalg.qr fft.rfft
"""


@pytest.fixture(scope="module")
def samples() -> dict[str, Any]:
    pytest.importorskip("expecttest", reason="PyTorch's samples need expecttest")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return opdb.operators()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SAMPLED.split())
def test_some_of_pytorchs_own_samples(simulation: Any, samples: dict[str, Any], name: str) -> None:
    with simulation.policies.using(**opdb.policies()):
        outcomes = [opdb.judge(samples[name], name, dtype, most=6) for dtype in opdb.DTYPES]
    assert outcomes[0].status == opdb.PASS, outcomes[0].detail
    assert outcomes[1].status in (opdb.PASS, opdb.NOTHING), outcomes[1].detail


@pytest.mark.opdb
def test_all_of_pytorchs_own_samples() -> None:
    assert opdb.report([], samples=10_000, patience=300.0) == 0


def device(*shape: int) -> Any:
    """Different numbers, on the device."""
    return torch.arange(1.0, 1 + torch.Size(shape).numel()).reshape(shape).to("neuron")


def test_views_share_memory() -> None:
    base = device(3, 4)
    views = [
        base[1],
        base.view(4, 3),
        base.t(),
        base[:, ::2],
        base.unfold(1, 2, 1),
        base.detach(),
        base.view(torch.int32),
    ]
    for view in views:
        assert view.untyped_storage()._cdata == base.untyped_storage()._cdata
        assert view.is_neuron
    views[0].zero_()
    assert base[1].tolist() == [0, 0, 0, 0] and views[1].flatten().tolist()[4:8] == [0, 0, 0, 0]
    base.mul_(2)
    assert views[3][2].tolist() == [18, 22]
    assert views[0]._version == base._version  # autograd sees them change together


def test_in_place_returns_the_same_tensor() -> None:
    base = device(3)
    same = base
    assert base.add_(1) is same and torch.sigmoid_(base) is same
    base += 1
    assert base is same and base._version == 3


def test_what_overlaps_is_refused_as_on_cpu() -> None:
    base = device(6)
    with pytest.raises(RuntimeError, match="refer to a single memory location"):
        base[1:].add_(base[:-1])
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
        device(1).expand(3).add_(1)
    assert base.add_(base).tolist() == [2, 4, 6, 8, 10, 12]
    base[:3].add_(base[3:])
    assert base[:3].tolist() == [10, 14, 18]


def test_out() -> None:
    base = device(2, 3)
    empty = torch.empty(0, device="neuron")
    assert torch.add(base, 1, out=empty) is empty and empty.tolist() == (base + 1).tolist()
    whole = torch.zeros(2, 6, device="neuron")
    torch.mul(base, 2, out=whole[:, ::2])
    assert whole[:, 1].tolist() == [0, 0] and whole[:, 2].tolist() == [4, 10]
    values, indices = torch.empty(0, device="neuron"), torch.empty(0, dtype=torch.int64, device="neuron")
    torch.max(base, 1, out=(values, indices))
    assert values.tolist() == [3, 6] and indices.tolist() == [2, 2]
    torch.add(base, base, out=base)
    assert base.tolist() == [[2, 4, 6], [8, 10, 12]]
    with pytest.warns(UserWarning, match="An output with one or more elements was resized"):
        torch.add(base, 1, out=torch.zeros(2, device="neuron"))
    with pytest.raises(RuntimeError, match="at least two devices"):
        torch.add(base, 1, out=torch.zeros(2, 3))


def test_set_and_resize() -> None:
    base, other = device(4), torch.empty(0, device="neuron")
    other.set_(base)
    other.fill_(7)
    assert base.tolist() == [7, 7, 7, 7]
    other.set_(base.untyped_storage(), 1, (2,), (2,))
    assert other.storage_offset() == 1 and other.stride() == (2,)
    base.resize_(2, 3)
    assert base.shape == (2, 3) and base.flatten()[:4].tolist() == [7, 7, 7, 7]
    assert base.resize_(0).shape == (0,) and base.resize_as_(device(2, 2)).shape == (2, 2)
    assert other.set_().shape == (0,)
    base.data = device(5)
    assert base.tolist() == [1, 2, 3, 4, 5]


def test_complex_views_write_through(simulation: Any) -> None:
    with simulation.policies.using(complex="off"):
        host = torch.tensor([1 + 2j, 3 - 4j])
        ours = host.to("neuron")
        for values in (host, ours):
            values.conj().imag.fill_(5)
            values.conj().copy_(values.clone())
            torch.view_as_real(values)[0].mul_(2)
        assert ours.cpu().equal(host)
        assert (ours.conj() @ ours).cpu().equal(host.conj() @ host)
        assert (ours.conj().imag + 1).cpu().equal(host.conj().imag + 1)


def test_numbers_and_nothing() -> None:
    base = device(2, 2)
    assert (base + 1).tolist() == (1 + base).tolist() == [[2, 3], [4, 5]]
    assert (base * torch.tensor(2.0)).is_neuron  # a number, on whatever device
    assert (2**base).tolist() == [[2, 4], [8, 16]]
    assert torch.copysign(base, -1.0).tolist() == [[-1, -2], [-3, -4]]
    assert (base.to(torch.int64) + 1.5).dtype is torch.float32  # the number does not widen the tensor
    assert (base.to(torch.bfloat16) * 2.0).dtype is torch.bfloat16
    assert torch.nn.functional.linear(base, base, None).shape == (2, 2)
    assert (torch.empty(0, 3, device="neuron") @ torch.empty(3, 0, device="neuron")).shape == (0, 0)
    scalar = torch.tensor(3.0, device="neuron")
    assert (scalar.shape, float(scalar), int(scalar), bool(scalar > 2), scalar.item()) == ((), 3.0, 3, True, 3.0)
    assert f"{scalar:.1f}" == "3.0"


def test_lists() -> None:
    host = [torch.ones(2), torch.arange(3.0)]
    ours = [each.to("neuron") for each in host]
    torch._foreach_mul_(ours, 2)
    torch._foreach_add_(ours, ours, alpha=2)
    assert [each.tolist() for each in ours] == [[6, 6], [0, 6, 12]]
    torch._foreach_copy_(ours, host)  # across devices, as FSDP does
    assert [each.tolist() for each in ours] == [[1, 1], [0, 1, 2]]
    assert [norm.item() for norm in torch._foreach_norm(ours)] == [norm.item() for norm in torch._foreach_norm(host)]
    assert torch.cat(ours).is_neuron and all(part.is_neuron for part in ours[1].split(1))
    first, second = torch.meshgrid(*ours, indexing="ij")
    assert first.shape == second.shape == (2, 3)


MIXED: list[Callable[[Any, Any], Any]] = [
    lambda ours, host: ours + host,
    lambda ours, host: host + ours,
    lambda ours, host: ours @ host,
    lambda ours, host: torch.cat([ours, host]),
    lambda ours, host: ours.add_(host),
    lambda ours, host: host.add_(ours),
    lambda ours, host: torch.where(ours > 1, ours, host),
    lambda ours, host: torch.nn.functional.linear(ours, ours, host[0]),
    lambda ours, host: torch.tensor(1.0).add_(ours[0, 0]),
    lambda ours, host: torch._foreach_add([ours], [host]),
    lambda ours, host: ours + ours.to("neuron:1"),
    lambda ours, host: torch.nn.functional.embedding(host.long(), ours),
]


@pytest.mark.parametrize("attempt", MIXED)
def test_devices_do_not_mix(attempt: Callable[[Any, Any], Any]) -> None:
    with pytest.raises(
        RuntimeError,
        match=r"Expected all tensors to be on the same device, but found at least two devices, neuron:. and ",
    ):
        attempt(device(2, 2), torch.ones(2, 2))


def test_indices_may_come_from_cpu() -> None:
    base = device(3, 2)
    assert base[torch.tensor([2, 0])].tolist() == [[5, 6], [1, 2]]
    base[torch.tensor([1])] = 0
    assert base[base > 0].tolist() == [1, 2, 5, 6]


def test_values_do_not_leave_the_device_by_themselves() -> None:
    for read in (lambda t: t.numpy(), lambda t: memoryview(t.numpy())):
        with pytest.raises(TypeError, match="can't convert neuron:0 device type tensor to numpy"):
            read(device(2))


def test_functions_of_functions() -> None:
    base = device(3)
    assert torch.func.vmap(torch.sin)(base).cpu().equal(base.cpu().sin())
    assert torch.func.jacrev(torch.sin)(base).cpu().diagonal().equal(base.cpu().cos())
    assert torch.func.hessian(lambda x: (x**3).sum())(base).cpu().diagonal().tolist() == [6, 12, 18]
    _, tangent = torch.func.jvp(torch.sin, (base,), (torch.ones_like(base),))
    assert tangent.cpu().equal(base.cpu().cos())


def test_the_trace_tells_operators_with_their_types(trace: Any) -> None:
    base = device(2, 2).to(torch.bfloat16)
    (base @ base).sum().item()
    found = {(operator.name, operator.dtypes): operator.count for operator in trace.summary().operators}
    assert found["aten::mm", ("bfloat16", "bfloat16")] == 1
    assert found["aten::_to_copy", ("float32", "bfloat16")] == 1
    assert [sync.kind for sync in trace.summary().syncs] == ["item"]
    transfer = next(each for each in trace.summary().transfers if each.kind == "h2d")
    assert (transfer.nbytes, transfer.path) == (16, __file__)


def test_histograms_count_integers() -> None:
    """Accelerators do, and mixtures of experts count their tokens so; CPU takes floating point alone."""
    experts = torch.tensor([0, 1, 1, 3], dtype=torch.int32).to("neuron")
    assert torch.histc(experts, bins=4, min=0, max=3).tolist() == [1, 2, 0, 1]
