"""The invariants on what is at hand without a download: the examples, and every snippet of the literate cases."""

from __future__ import annotations

from pathlib import Path

import pytest

from porter.config import load
from porter.model import TARGETS
from tests.ecosystem.invariants import prove
from tests.literate import parse

ROOT = Path(__file__).parents[2]
SETTINGS = {target: load(isolated=True, overrides={"target": target}) for target in TARGETS}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("example", sorted(path.name for path in (ROOT / "examples").iterdir() if path.is_dir()))
def test_examples(example: str, target: str) -> None:
    proof = prove(ROOT / "examples" / example, SETTINGS[target])
    assert proof.broken == []
    assert proof.changes or target != "neuron", "an example that porter does not change is none"


@pytest.fixture(scope="module")
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


@pytest.mark.parametrize("target", TARGETS)
def test_snippets(snippets: Path, target: str) -> None:
    assert prove(snippets, SETTINGS[target]).broken == []
