"""DTensor, a mesh of two by two, sequence and tensor parallelism, and FSDP over it."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")

from tests.simulate import workers


@pytest.fixture(scope="module")
def ranks() -> list[dict[str, Any]]:
    return workers.run("dtensor", ranks=4)


def test_the_mesh_is_on_the_device(ranks: list[dict[str, Any]]) -> None:
    assert [found["mesh"] for found in ranks] == [["neuron", rank % 2, rank // 2] for rank in range(4)]
    assert [found["local"] for found in ranks] == [[f"neuron:{rank}", [4, 2]] for rank in range(4)]
    assert [found["zeros"] for found in ranks] == [f"neuron:{rank}" for rank in range(4)]


@pytest.mark.parametrize("what", ["sum", "product", "moved", "forward", "backward", "loss"])
def test_values_are_those_of_plain_tensors(ranks: list[dict[str, Any]], what: str) -> None:
    assert max(found[what] for found in ranks) <= 1e-6


def test_the_host_has_a_backend_of_its_own(ranks: list[dict[str, Any]]) -> None:
    assert {found["host"] for found in ranks} == {6.0}
