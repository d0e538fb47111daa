"""The marker ``programs``: tests that run whole programs. `make programs` runs them."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "programs: runs whole programs, for minutes (make programs)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "programs" in config.getoption("-m"):
        return
    for item in items:
        if item.get_closest_marker("programs"):
            item.add_marker(pytest.mark.skip(reason="runs whole programs, for minutes: make programs"))
