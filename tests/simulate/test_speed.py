"""The budgets of docs/benchmarks.md that are ratios, and so hold on any machine."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.benchmarks import simulate

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("simulation")


def within(budget: float, measure: Callable[[], dict[str, float]]) -> None:
    """Whether the device costs at most ``budget`` times CPU; tries for long enough to find a quiet moment."""
    ratio = 0.0
    for _ in range(4):
        found = measure()
        ratio = found["neuron"] / found["cpu"]
        if ratio <= budget:
            return
    raise AssertionError(f"costs {ratio:.2f} times CPU, the budget is {budget}")


def test_a_training_step() -> None:
    within(1.5, lambda: simulate.step(256, 2))


def test_an_operator() -> None:
    within(15.0, lambda: simulate.operator("a + b"))


def test_a_view() -> None:
    within(6.0, lambda: simulate.operator("a.view(16)"))
