"""The marker ``installs``: tests that install porter anew, with what it needs. `make integrations` runs these, too."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "installs: installs porter and its dependencies (make integrations)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "installs" in config.getoption("-m"):
        return
    for item in items:
        if item.get_closest_marker("installs"):
            item.add_marker(pytest.mark.skip(reason="installs porter anew: make integrations"))
