"""The budgets that hold on any machine: what porter costs before it has much to do.

Seconds are CPU time, the best of several runs; `python -m tests.benchmarks` shows all figures.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.tree import EVERY, grow
from tests.ecosystem.speed import PORTER, Cost, best, cost


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tree")
    grow(folder, 10_000)
    return folder


def within(budget: float, command: list[str], folder: Path) -> Cost:
    """The cost of a command; tries for long enough to find a quiet moment of the machine."""
    for _ in range(4):
        spent = best(command, folder)
        if spent.seconds <= budget:
            return spent
    raise AssertionError(f"{' '.join(command[3:])}: {spent.seconds:.3f} s of CPU time, the budget is {budget} s")


def test_version(tree: Path) -> None:
    within(0.1, [*PORTER[:3], "--version"], tree)


def test_one_small_file(tree: Path) -> None:
    within(0.2, [*PORTER, "--no-cache", "pkg0/module1.py"], tree)


def test_nothing_changed(tree: Path, tmp_path: Path) -> None:
    cached = [*PORTER, "--cache-dir", str(tmp_path)]
    cost(cached, tree)
    within(0.15, cached, tree)


def test_memory_stays_small(tree: Path) -> None:
    assert best([*PORTER, "--no-cache", f"pkg0/module{EVERY}.py"], tree).mebibytes <= 64
    assert best([*PORTER, "--no-cache"], tree).mebibytes <= 64
