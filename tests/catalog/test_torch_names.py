"""Every public CUDA name of torch has a row, and what rows tell people to write exists."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from functools import reduce
from pathlib import Path

import pytest

from porter import catalog
from porter.model import TARGETS, Verdict

CATALOGUE = catalog.load()
RECORDED = Path(__file__).parent / "recorded"
TORCH = json.loads((RECORDED / "torch-2.13.json").read_text(encoding="utf-8"))
NEURON = json.loads((RECORDED / "neuron.json").read_text(encoding="utf-8"))

DOTTED = re.compile(r"(?<![\w./])torch(?:_neuronx)?(?:\.\w+)+(?![\w*])")


def written(target: str) -> set[str]:
    """Names of torch and torch_neuronx that the rows' replacements and advice for a target use."""
    answers = [getattr(row, target) for row in CATALOGUE.rows()]
    return {
        name
        for a in answers
        for code in [a.replacement, *re.findall("`(.+?)`", a.advice)]
        for name in DOTTED.findall(code)
    }


def test_every_public_name_has_a_row_of_its_own() -> None:
    rows = {name: CATALOGUE.find("symbol", name) for name in TORCH["names"]}
    assert not [name for name, row in rows.items() if row is None or row.rule == "unknown-cuda-symbol"]


def test_the_recorded_names_are_those_of_torch() -> None:
    torch = pytest.importorskip("torch")
    if not torch.__version__.startswith("2.13") or torch.version.cuda is not None:
        pytest.skip("the names were recorded from a CPU build of torch 2.13")
    code = "import json; from tests.catalog.record import collect; print(json.dumps(collect()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == TORCH


def test_what_raises_without_cuda_is_not_called_portable() -> None:
    rows = {name: CATALOGUE.find("symbol", name) for name in TORCH["raises"]}
    assert not [
        (name, target)
        for name, row in rows.items()
        for target in TARGETS
        if row is not None and getattr(row, target).verdict is Verdict.PORTABLE
    ]


@pytest.mark.parametrize("target", TARGETS)
def test_names_of_torch_that_rows_write_exist(target: str) -> None:
    torch = pytest.importorskip("torch")
    for module in ("torch.distributed.fsdp", "torch.distributed.tensor"):
        importlib.import_module(module)

    def exists(name: str) -> bool:
        try:
            reduce(getattr, name.split(".")[1:], torch)
        except AttributeError:
            return False
        return True

    names = {name for name in written(target) if name.startswith("torch.") and not name.startswith("torch.neuron")}
    assert names
    assert not [name for name in names if not exists(name)]


def test_names_of_neuron_that_rows_write_exist() -> None:
    known = {f"{module}.{name}" for module, names in NEURON.items() for name in names}
    names = {name for name in written("neuron") if name.startswith(("torch.neuron.", "torch_neuronx."))}
    assert names
    assert not [name for name in names if not any(name == k or name.startswith(f"{k}.") for k in known)]


def test_names_outside_torch_are_not_called_unknown() -> None:
    for name in ("torch.nn.Linear", "torch.cudart", "numpy.random.seed", "torchvision.models.resnet18"):
        assert CATALOGUE.find("symbol", name) is None


@pytest.mark.parametrize(
    "name", ["torch.cuda.no_such_call", "torch.backends.cuda.no_such_flag", "torch.backends.cudnn.no_such_flag"]
)
def test_a_new_name_under_a_cuda_namespace_is_unknown_not_silent(name: str) -> None:
    row = CATALOGUE.find("symbol", name)
    assert row is not None
    assert row.rule == "unknown-cuda-symbol"
    assert {getattr(row, target).verdict for target in TARGETS} == {Verdict.UNKNOWN}
