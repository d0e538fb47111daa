"""What runs the user's code needs nothing but the standard library and torch."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import porter

torch: Any = pytest.importorskip("torch", reason="porter verify needs torch")

from porter.verify import tensors  # noqa: E402
from porter.verify.errors import BadCase  # noqa: E402
from porter.verify.training import _check  # noqa: E402

FOLDER = Path(porter.__file__).parent / "verify"
ALLOWED = {"torch", "torch_xla", "torch_neuronx", "numpy"}  # the last is optional


def imported(file: Path, seen: set[Path]) -> Iterator[str]:
    """Every module that a file of `porter.verify` imports, and those that its own imports import."""
    seen.add(file)
    for node in ast.walk(ast.parse(file.read_bytes())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names] + [str(node.module)]
        for name in names:
            inner = FOLDER.parent.joinpath(*name.split(".")[1:]).with_suffix(".py")
            if not name.startswith("porter"):
                yield name.partition(".")[0]
            elif name.startswith("porter.verify") and inner.is_file() and inner not in seen:
                yield from imported(inner, seen)


@pytest.mark.parametrize("file", ["worker.py", "startup/sitecustomize.py"])
def test_workers_import_nothing_but_the_standard_library_and_torch(file: str) -> None:
    seen: set[Path] = set()
    found = set(imported(FOLDER / file, seen))
    assert not found - ALLOWED - set(sys.stdlib_module_names)
    assert FOLDER / "devices.py" in seen


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ([], "must return a dictionary, not list"),
        ({"model": torch.nn.Identity(), "input": 1}, "unknown key `input`"),
        ({"model": "m", "inputs": 1}, "must return `model`: a torch.nn.Module"),
        ({"model": torch.nn.Identity()}, "must return `inputs`"),
        ({"model": torch.nn.Identity(), "inputs": 1, "loss": 2}, "`loss` must be a function"),
        ({"model": torch.nn.Identity(), "inputs": 1, "step": print, "loss": print}, "`step` stands for"),
        ({"model": torch.nn.Identity(), "inputs": 1, "optimizer": print}, "`optimizer` needs a `loss`"),
    ],
)
def test_a_factory_that_returns_no_case(case: Any, message: str) -> None:
    with pytest.raises(BadCase, match=message):
        _check(case)


def test_inputs_that_cannot_be_frozen() -> None:
    with pytest.raises(BadCase, match="`inputs` holds a object"):
        tensors.plain({"a": [object()]}, "inputs")


def test_trees_come_back_as_they_were(tmp_path: Path) -> None:
    tree = {"ids": torch.arange(4), "nested": [(torch.ones(2, dtype=torch.bfloat16), None, "text", 2.5)]}
    tensors.save(tensors.plain(tree, "inputs"), tmp_path / "tree.pt")
    again = tensors.load(tmp_path / "tree.pt")
    assert tensors.digest(again) == tensors.digest(tree)
    assert sorted(tensors.named(again)) == ["ids", "nested.0.0", "nested.0.3"]


@pytest.mark.parametrize(
    "other",
    [
        {"a": torch.tensor([1.0, 3.0])},
        {"b": torch.tensor([1.0, 2.0])},
        {"a": torch.tensor([[1.0, 2.0]])},
        {"a": torch.tensor([1.0, 2.0]).double()},
        [torch.tensor([1.0, 2.0])],
    ],
    ids=["value", "name", "shape", "dtype", "layout"],
)
def test_the_checksum_tells_trees_apart(other: Any) -> None:
    assert tensors.digest(other) != tensors.digest({"a": torch.tensor([1.0, 2.0])})
