"""What is not Python is proven to read as it did, whoever made the edits."""

from __future__ import annotations

import pytest

from porter.rewrite.proof import broken

GOOD = [
    ("yaml", "a: cuda\nb:\n  - x\n  - y\n", "a: neuron\nb:\n  - y\n"),
    ("yaml", "a:\n- x\n- x\nb:\n- x\n", "a:\n- x\nb:\n- x\n"),
    ("yaml", "run: |\n  nvidia-smi\n  ls\n", "run: |\n  neuron-ls\n  ls\n"),
    ("json", '{"a": "cuda", "b": [1, 2]}', '{"a": "neuron", "b": [1, 2]}'),
    ("json", "// comment\n{'a': 1,}\n", "// comment\n{'a': 2,}\n"),
    ("toml", 'a = "cuda"\nb = [\n  "x",\n  "y",\n]\n', 'a = "neuron"\nb = [\n  "y",\n]\n'),
    ("shell", "pip install a \\\n  b \\\n  c\nls\n", "pip install a \\\n  b\nls\n"),
    ("shell", "nvidia-smi\nx=$(nvidia-smi -L)\n", "neuron-ls\nx=$(nvidia-smi -L)\n"),
    ("docker", "FROM a\nRUN b && \\\n    c && \\\n    d\n", "FROM n\nRUN b && \\\n    d\n"),
    ("requirements", "a\nb\n", "b\n"),
]
BAD = [
    ("yaml", "a:\n  b:\n    c: 2\nd: 3\n", "a:\n    c: 2\nd: 3\n"),
    ("yaml", "a:\n  b: cuda\n  c: 2\n", "  c: 2\n"),  # the key above is gone: another path
    ("json", '{"a": 1,\n "b": 2}', '{"a": 1,\n}'),
    ("toml", 'a = [\n  "x",\n  "y"\n]\n', 'a = [\n  "x"\n'),
    ("toml", "[a]\nx = 1\n[b]\ny = 1\n", "[a]\nx = 1\ny = 1\n"),
    ("shell", "pip install a \\\n  b\nls\n", "pip install a \\\nls\n"),
    ("shell", 'echo "a\nb"\nls\n', 'echo "a\nls\n'),
    ("docker", "FROM a\nRUN b \\\n  c\nCOPY d d\n", "FROM a\nRUN b \\\nCOPY d d\n"),
]


@pytest.mark.parametrize(("kind", "before", "after"), GOOD)
def test_an_edit_that_leaves_the_rest_alone(kind: str, before: str, after: str) -> None:
    assert broken(kind, before, after) is None


@pytest.mark.parametrize(("kind", "before", "after"), BAD)
def test_an_edit_that_changes_what_it_does_not_touch(kind: str, before: str, after: str) -> None:
    assert broken(kind, before, after) is not None


@pytest.mark.parametrize("kind", ["yaml", "json", "toml", "shell", "docker", "make", "requirements"])
def test_what_stays_is_proven(kind: str) -> None:
    text = "a: [1, {b: 'c'}]\nx = \"y\"\nRUN z && \\\n  w\n"
    assert broken(kind, text, text) is None
