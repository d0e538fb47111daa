"""The sample on disk, looked at by porter itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from porter import engine
from porter.config import load
from tests.report.sample import FILES


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def repository(here: Path) -> Path:
    """The folder with `FILES` in it."""
    for name, raw in FILES.items():
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).write_bytes(raw)
    return here


@pytest.fixture
def report(repository: Path) -> engine.Report:
    """What porter finds there."""
    found = engine.run((".",), load(isolated=True, overrides={"cache": False}))
    assert {finding.path for finding in found.findings} == set(FILES)
    return found
