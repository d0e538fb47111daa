"""The invariants on what is at hand without a download: the examples, and every snippet of the literate cases."""

from __future__ import annotations

from pathlib import Path

import pytest

from porter.catalog import load as load_catalogue
from porter.config import load
from porter.engine import FileChange
from porter.model import TARGETS
from tests.ecosystem.conftest import ROOT
from tests.ecosystem.invariants import outside, parses, prove, undefined
from tests.ecosystem.renames import hold

SETTINGS = {target: load(isolated=True, overrides={"target": target}) for target in TARGETS}


def names_broken(changes: tuple[FileChange, ...], target: str) -> list[str]:
    """What the rewritten files' names stand for, and should not."""
    held = [hold(change, load_catalogue(), target) for change in changes]
    return [str(broken) for result in held if result is not None for broken in result.broken]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("example", sorted(path.name for path in (ROOT / "examples").iterdir() if path.is_dir()))
def test_examples(example: str, target: str) -> None:
    proof = prove(ROOT / "examples" / example, SETTINGS[target])
    assert proof.changes
    assert proof.broken == []
    assert names_broken(proof.changes, target) == []


@pytest.mark.parametrize("target", TARGETS)
def test_snippets(snippets: Path, target: str) -> None:
    proof = prove(snippets, SETTINGS[target])
    assert proof.broken == []
    assert names_broken(proof.changes, target) == []


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (b"one X three", None),
        (b"one two three", None),  # an edit that is not made
        (b"one two three, four", 7),
        (b"One X three", 0),
        (b"one X threE", 7),
        (b"one three", 7),
        (b"", 0),
    ],
)
def test_changes_outside_of_edits(after: bytes, expected: int | None) -> None:
    assert outside(b"one two three", after, [(4, 7), (5, 6)]) == expected


def test_insertions_are_edits_too() -> None:
    assert outside(b"ab", b"XaYbZ", [(0, 0), (1, 1), (2, 2)]) is None
    assert outside(b"ab", b"XaYb", [(0, 0), (2, 2)]) == 0


@pytest.mark.parametrize(
    ("path", "good", "bad"),
    [
        ("a.py", b"x = 1", b"x = "),
        ("a.py", b"def f(): return 1", b"return 1"),  # parses, and does not compile
        ("a.json", b"{}", b"{"),
        ("a.toml", b"a = 1", b"a = "),
        ("a.yaml", b"a: [1]", b"a: [1"),
        ("a.sh", b"if true; then false; fi", b"if true; then false"),
    ],
)
def test_what_a_file_must_be(path: str, good: bytes, bad: bytes) -> None:
    assert parses(path, good) is None
    assert parses(path, bad)


def test_names_that_nothing_binds() -> None:
    files = {
        "a/b.py": b"import os\nprint(os, gone)\n",
        "b.py": b"gone = 1\nprint(gone)\n",
        "c.py": b"x = (",
        "d.sh": b"gone",
    }
    (path, told), *others = undefined(files)
    assert path == "a/b.py"
    assert "gone" in told
    assert not others
    assert not undefined({})
