from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("pygls", reason="the language server needs the extra lsp")

from tests.lsp.client import Client, serve


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of a workspace; resolved, as editors name it."""
    place = tmp_path.resolve() / "work"
    place.mkdir()
    return place


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Path]]:
    """A session that the tests of a module share, and its folder: for files that know nothing of one another."""
    place = tmp_path_factory.mktemp("shared").resolve()
    with serve(place) as session:
        uri = session.open(place / "first.py", "import torch\n")
        session.settled(uri)
        yield session, place


@pytest.fixture
def client(folder: Path) -> Iterator[Client]:
    """A session in that folder. What a test writes there before it opens a file is known like what was there before."""
    with serve(folder) as session:
        yield session
