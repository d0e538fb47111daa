"""DistributedDataParallel on two simulated cores trains as one process on CPU does."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")

from tests.simulate import workers


@pytest.fixture(scope="module")
def ranks() -> list[dict[str, Any]]:
    return workers.run("ddp")


@pytest.mark.parametrize("variant", ["plain", "views", "no_sync", "static", "unused"])
def test_losses_and_parameters_are_those_of_one_process_on_cpu(ranks: list[dict[str, Any]], variant: str) -> None:
    first, second = (found[variant] for found in ranks)
    assert first == second
    assert first["loss"] <= 1e-5  # relative, over 20 steps
    assert first["parameter"] <= 1e-5
    assert first["first"] != first["last"]


def test_batch_norm_over_processes_is_batch_norm_over_the_whole_batch(ranks: list[dict[str, Any]]) -> None:
    for found in ranks:
        assert max(found["synchronised"].values()) <= 1e-5, found["synchronised"]
        assert max(found["synchronised bf16"].values()) <= 0.2, found["synchronised bf16"]
