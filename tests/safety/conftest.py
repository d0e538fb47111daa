from __future__ import annotations

from pathlib import Path

import pytest

from tests.gate.repository import Repository


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A new repository, which is the working directory."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return Repository(Path.cwd())
