"""The marker ``examples``: tests that run whole sample programs. `make examples` runs them."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "examples: runs whole sample programs, for minutes (make examples)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "examples" in config.getoption("-m"):
        return
    for item in items:
        if item.get_closest_marker("examples"):
            item.add_marker(pytest.mark.skip(reason="runs whole sample programs, for minutes: make examples"))
