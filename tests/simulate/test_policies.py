"""Every policy does what its table says, and nothing when it is off."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from porter.catalog import load  # noqa: E402
from porter.simulate import NeuronError  # noqa: E402
from porter.simulate.policies import CAST, OFF, POLICIES, STRICT, Policies, by_compiler_flags  # noqa: E402
from porter.simulate.policies.checks import CHECKS  # noqa: E402
from porter.simulate.policies.operators import CONVOLUTIONS, MATRIX_PRODUCTS  # noqa: E402
from tests.simulate import page, workers  # noqa: E402


def _on(*values: Any, dtype: Any = None) -> Any:
    return torch.tensor(values, dtype=dtype, device="neuron")


def _image(**layout: Any) -> Any:
    return torch.ones(1, 2, 4, 4, device="neuron", **layout)


HERE: dict[str, list[Callable[[], object]]] = {
    "device_index": [
        lambda: torch.ones(1, device="neuron:7"),
        lambda: torch.ones(1).to("neuron:7"),
        lambda: torch.neuron.get_device_properties(7),
    ],
    "generator": [lambda: torch.Generator(device="neuron"), lambda: torch.Generator("neuron:0")],
    "mixed_devices": [
        lambda: _on(1.0, 2.0) + torch.ones(2),
        lambda: torch.cat([_on(1.0), torch.ones(1)]),
        lambda: torch.nn.functional.linear(_on(1.0), torch.ones(1, 1)),
    ],
    "float64": [
        lambda: torch.ones(1, dtype=torch.float64).to("neuron"),
        lambda: torch.zeros(1, dtype=torch.float64, device="neuron"),
        lambda: _on(1.0).double(),
    ],
    "int64": [lambda: _on(1), lambda: torch.arange(3, device="neuron"), lambda: _on(1, dtype=torch.int32).long()],
    "complex": [
        lambda: torch.ones(2, dtype=torch.complex64).to("neuron"),
        lambda: torch.view_as_complex(_on(1.0, 2.0)),
        lambda: torch.polar(_on(1.0), _on(1.0)),
        lambda: torch.fft.fft(_on(1.0, 2.0)),
    ],
    "float8_fnuz": [lambda: _on(1.0).to(torch.float8_e4m3fnuz), lambda: _on(1.0).to(torch.float8_e5m2fnuz)],
    "float8_e4m3fn": [lambda: _on(1.0).to(torch.float8_e4m3fn)],
    "dynamic_shapes": [lambda: torch.compile(torch.sin, backend="neuron", dynamic=True)(_on(1.0, 2.0, 3.0))],
    "channels_last": [
        lambda: _image().contiguous(memory_format=torch.channels_last),
        lambda: _image().to(memory_format=torch.channels_last),
        lambda: torch.ones(1, 2, 4, 4).to("neuron", memory_format=torch.channels_last),
        lambda: torch.nn.Conv2d(2, 2, 3).to("neuron").to(memory_format=torch.channels_last),
        lambda: torch.empty(1, 2, 4, 4, device="neuron", memory_format=torch.channels_last),
        lambda: torch.zeros_like(_image(), memory_format=torch.channels_last),
        lambda: _image().clone(memory_format=torch.channels_last),
    ],
    "integer_matmul": [
        lambda: (
            torch.ones(2, 2, dtype=torch.int64, device="neuron") @ torch.ones(2, 2, dtype=torch.int64, device="neuron")
        ),
        lambda: _on(1, 2, dtype=torch.int32).dot(_on(1, 2, dtype=torch.int32)),
        lambda: torch.ones(1, 2, 2, dtype=torch.int32, device="neuron").bmm(
            torch.ones(1, 2, 2, dtype=torch.int32, device="neuron")
        ),
    ],
    "integer_scatter": [
        lambda: _on(1, 2).scatter_add(0, _on(0), _on(5)),
        lambda: _on(1, 2).index_add(0, _on(0), _on(5)),
        lambda: _on(1, 2).scatter_reduce(0, _on(0), _on(5), "amax"),
        lambda: _on(1, 2).index_put_((_on(0),), _on(5), accumulate=True),
        lambda: _on(1, 2).scatter(0, _on(0), 5, reduce="add"),
    ],
    "integer_pow": [lambda: _on(2) ** 3, lambda: _on(2) ** _on(3), lambda: _on(2).pow_(2), lambda: 2 ** _on(3)],
    "integer_topk": [lambda: _on(1, 2).topk(1)],
    "right_shift": [
        lambda: _on(4, dtype=torch.int16) >> 1,
        lambda: torch.bitwise_right_shift(_on(4, dtype=torch.uint8), _on(1, dtype=torch.uint8)),
    ],
    "dilated_transpose": [lambda: torch.nn.ConvTranspose2d(2, 2, 3, stride=2, dilation=2).to("neuron")(_image())],
    "dilated_pooling": [lambda: torch.nn.functional.max_pool2d(_image(), 2, dilation=2)],
}
"""What violates a policy in this process."""

HARMLESS: list[Callable[[], object]] = [
    lambda: _on(1.0, 2.0) + torch.tensor(1.0),
    lambda: _on(2) ** 0.5,
    lambda: _on(2.0) ** _on(2),
    lambda: _on(2, dtype=torch.int32) ** 2,
    lambda: _on(4, dtype=torch.int32) >> 1,
    lambda: _on(1, 2).scatter(0, _on(0), _on(5)),
    lambda: _on(1, 2).index_put_((_on(0),), _on(5)),
    lambda: _on(1.0, 2.0).index_add(0, _on(0), _on(5.0)),
    lambda: _on(1.0, 2.0).topk(1),
    lambda: _image().contiguous(memory_format=torch.preserve_format),
    lambda: torch.nn.ConvTranspose2d(2, 2, 3, stride=2).to("neuron")(_image()),
    lambda: torch.nn.Conv2d(2, 2, 2, stride=2, dilation=2).to("neuron")(_image()),
    lambda: torch.nn.functional.max_pool2d(_image(), 2),
    lambda: torch.ones(1, 2, 4, 4).to(memory_format=torch.channels_last),
    torch.Generator,
]

ALONE = {
    "init_order": """
        torch.ones(1, device="neuron")
        import torch.distributed as dist
        dist.init_process_group("neuron", store=dist.HashStore(), rank=0, world_size=1)
    """,
    "one_device_per_process": """
        import os, torch.distributed as dist
        os.environ.update(NEURON_RT_VISIBLE_CORES="0-1", LOCAL_RANK="0", LOCAL_WORLD_SIZE="1")
        dist.init_process_group("neuron", store=dist.HashStore(), rank=0, world_size=1)
    """,
    "fork": """
        import multiprocessing
        torch.ones(1, device="neuron")
        fork = multiprocessing.get_context("fork")
        child = fork.Process(target=torch.ones, args=(1,), kwargs={"device": "neuron"})
        child.start()
        child.join()
        raise SystemExit(child.exitcode)
    """,
}
"""Programs that violate a policy."""


@cache
def _together() -> list[dict[str, Any]]:
    return workers.run("policies")


TOGETHER = (
    "integer_all_reduce",
    "reductions",
    "even_splits",
    "subgroup_barrier",
    "replica_groups",
    "send_recv",
    "recv_any_source",
)
"""Policies that two processes violate, in `workers/policies.py`."""


def test_every_policy_is_proven_once() -> None:
    assert sorted([*HERE, *ALONE, *TOGETHER]) == sorted(POLICIES)


def _judge(name: str, error: str) -> None:
    """Whether an error is the policy's, in its words."""
    policy = POLICIES[name]
    words = re.split(r"\{\w+\}", policy.message)
    position = 0
    for word in words:
        position = error.find(word, position)
        assert position >= 0, f"{word!r} is not in {error!r}"
    if policy.code:
        assert error.startswith(f"{policy.code}: ")


@pytest.mark.parametrize(
    ("name", "case"), [pytest.param(name, case, id=name) for name, cases in HERE.items() for case in cases]
)
def test_a_violation_is_refused_unless_the_policy_is_off(
    simulation: Any, name: str, case: Callable[[], object]
) -> None:
    with simulation.policies.using(**{name: STRICT}), pytest.raises(NeuronError) as caught:
        case()
    assert (caught.value.policy, caught.value.source) == (name, ", ".join(POLICIES[name].sources))
    _judge(name, str(caught.value))
    with simulation.policies.using(**{name: OFF}):
        case()


@pytest.mark.parametrize("case", HARMLESS)
def test_what_the_documents_allow_is_allowed(simulation: Any, case: Callable[[], object]) -> None:
    case()


@pytest.mark.parametrize("name", ALONE)
def test_a_program_is_refused_unless_the_policy_is_off(alone: Any, name: str) -> None:
    done = alone(ALONE[name], PORTER_SIMULATE_POLICIES=f"{name}={STRICT}")
    assert done.returncode == 1
    _judge(name, done.stderr.splitlines()[-1].partition("NeuronError: ")[2])
    done = alone(ALONE[name], PORTER_SIMULATE_POLICIES=f"{name}={OFF}")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", TOGETHER)
def test_a_collective_is_refused_unless_the_policy_is_off(name: str) -> None:
    for found in _together():
        assert found[name][STRICT]["policy"] == name
        _judge(name, found[name][STRICT]["text"])
        assert found[name][OFF] is None


def test_what_pytorch_refuses_by_itself(simulation: Any) -> None:
    """So there is no policy for it."""
    assert not torch.cuda.is_available()
    with pytest.raises((AssertionError, RuntimeError), match=r"CUDA|NVIDIA"):
        torch.ones(1).cuda()
    with pytest.raises(TypeError, match="can't convert neuron:0 device type tensor to numpy"):
        _on(1.0).numpy()


def test_float64_is_kept_in_float32(simulation: Any) -> None:
    third = torch.tensor([1 / 3], dtype=torch.float64)
    assert simulation.policies.mode("float64") == CAST
    moved = third.to("neuron")
    assert moved.dtype == torch.float64
    assert moved.cpu().item() == third.float().item() != third.item()
    assert (moved / 3).cpu().item() == (third.float() / 3).item()
    assert moved.div_(3).cpu().item() == (third.float() / 3).item()
    with simulation.policies.using(float64=OFF):
        assert third.to("neuron").cpu().item() == third.item()


def test_int64_wraps_under_the_option_of_the_compiler(simulation: Any) -> None:
    big = torch.tensor([2**31 + 5])
    assert torch.equal(big.to("neuron").cpu(), big)
    with simulation.policies.using(int64=CAST):
        assert big.to("neuron").cpu().item() == 5 - 2**31
        assert (_on(2**30) * 4).cpu().item() == 0
        assert torch.full((1,), 2**40, device="neuron").item() == 0


@pytest.mark.parametrize(
    ("flags", "modes"),
    [
        ("", {}),
        ("--model-type transformer", {}),
        ("--native-int64=disabled", {"int64": CAST}),
        ("--native-int64 disabled -O1", {"int64": CAST}),
        ("--implicit-integer-downcast=dot,scatter", {"integer_matmul": OFF, "integer_scatter": OFF}),
        (
            "--implicit-integer-downcast=all",
            {"integer_matmul": OFF, "integer_scatter": OFF, "integer_pow": OFF, "integer_all_reduce": OFF},
        ),
        ("--experimental-unsafe-fp8e4m3fn-as-fp8e4m3", {"float8_e4m3fn": OFF}),
    ],
)
def test_flags_of_the_compiler_switch_policies(
    flags: str, modes: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert by_compiler_flags(flags) == modes
    monkeypatch.setenv("NEURON_CC_FLAGS", flags)
    assert {name: Policies().mode(name) for name in modes} == modes
    assert Policies({"int64": STRICT}).mode("int64") == STRICT


def test_matrix_products_in_bfloat16(alone: Any) -> None:
    program = """
        left, right = torch.rand(8, 8), torch.rand(8, 8)
        rounded = left.bfloat16().float(), right.bfloat16().float()
        product = (left.to("neuron") @ right.to("neuron")).cpu()
        convolution = torch.nn.Conv1d(8, 4, 1)
        expected = torch.nn.functional.conv1d(
            rounded[0], convolution.weight.bfloat16().float(), convolution.bias.bfloat16().float()
        )
        found = convolution.to("neuron")(left.to("neuron")).cpu()
        print(torch.equal(product, rounded[0] @ rounded[1]), torch.equal(product, left @ right))
        print(torch.allclose(found, expected, atol=1e-6), torch.equal((left.to("neuron") + 1).cpu(), left + 1))
    """
    assert alone(program, PORTER_SIMULATE_AUTO_CAST="matmult").stdout == "True False\nTrue True\n"
    assert alone(program).stdout == "False True\nFalse True\n"


def test_switching() -> None:
    policies = Policies()
    assert {name: policies.mode(name) for name in POLICIES} == {name: p.default for name, p in POLICIES.items()}
    with policies.using(float64=OFF, complex=OFF):
        assert torch.float64 not in policies.kept and torch.complex64 not in policies.kept
    assert torch.float64 in policies.kept
    with pytest.raises(ValueError, match="did you mean channels_last"):
        policies.set(channel_last=OFF)
    with pytest.raises(ValueError, match="policy float64 has no mode 'maybe': choose from cast, strict, off"):
        policies.set(complex=OFF, float64="maybe")
    assert policies.mode("complex") == STRICT  # all or none
    with pytest.raises(ValueError, match="auto_cast"):
        Policies(auto_cast="all")


def test_the_table_is_sound() -> None:
    for name, policy in POLICIES.items():
        assert policy.name == name and name.isidentifier() and name.islower()
        assert {STRICT, OFF} <= set(policy.modes) <= {STRICT, OFF, CAST}
        assert policy.default in policy.modes
        assert policy.evidence in "ABC" and policy.sources and policy.summary.endswith(".")
        assert all(mode in policy.modes for _, mode in policy.options)
        assert policy.code is None or policy.code.startswith("NCC_")


def test_every_operator_of_a_check_exists() -> None:
    known = set(torch._C._dispatch_get_all_op_names())
    assert {name for name in {*CHECKS, *MATRIX_PRODUCTS, *CONVOLUTIONS} if name not in known} == set()


def test_the_page_says_what_the_table_says() -> None:
    assert page.PATH.read_text(encoding="utf-8") == page.page(), "run `python -m tests.simulate.page`"


def test_sources_are_known() -> None:
    """Every key stands in the catalogue's table of sources."""
    assert page.used() <= load().sources.keys()
