"""Real and tricky code that is at hand without a download."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.literate import parse

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def snippets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All files of all literate cases, a folder for each case."""
    tree = tmp_path_factory.mktemp("snippets")
    for page in sorted((ROOT / "tests").glob("[rt]*/**/*.md")):
        for number, case in enumerate(parse(page.read_text(encoding="utf-8"))):
            for file in case.files:
                path = tree / page.stem / str(number) / file.path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(file.content, encoding="utf-8", newline="")
    return tree
