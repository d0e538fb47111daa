"""The ports compute what the originals compute, and the pages say so."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.examples import tables
from tests.examples.samples import ROOT, Sample, samples

pytest.importorskip("torch", reason="the samples are PyTorch programs: pip install torch")

UPDATE = bool(os.environ.get("UPDATE"))
QUICK = {  # one of each kind that the simulated device treats in its own way
    "image-classifier": "model",
    "gan": "training",
    "ddp-training": "two processes",
    "language-model": "model in bfloat16",
    "recurrent": "GRU",
}
NEEDS = {"bert-finetune": "transformers"}

each = pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.name)


def verify(sample: Sample, folder: Path, cases: Iterable[str] = ()) -> list[dict[str, Any]]:
    """The outcomes of a sample's cases on the simulated device, with oracles of their own."""
    copy = folder / sample.name
    shutil.copytree(sample.folder, copy, ignore=shutil.ignore_patterns("__pycache__", ".porter_oracle"))
    command = [sys.executable, "-m", "porter", "verify", str(copy), "--backend", "sim", "--format", "json", "--quiet"]
    command += [argument for case in cases for argument in ("--case", case)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    outcomes: list[dict[str, Any]] = json.loads(done.stdout)["outcomes"]
    return outcomes


def failures(outcomes: Iterable[dict[str, Any]]) -> list[str]:
    """What did not pass, with the reason."""
    return [
        f"{outcome['case']}: {outcome['verdict']}: {outcome['reason']}\n{outcome['detail']}"
        for outcome in outcomes
        if outcome["verdict"] != "PASS"
    ]


@pytest.mark.parametrize(("name", "case"), QUICK.items())
def test_a_case_of_each_kind_passes(name: str, case: str, tmp_path: Path) -> None:
    assert not failures(verify(Sample(name), tmp_path, [case]))


@each
@pytest.mark.examples
def test_every_case_passes(sample: Sample, tmp_path: Path) -> None:
    needed = NEEDS.get(sample.name)
    if needed and importlib.util.find_spec(needed) is None:
        pytest.skip(f"{sample.name} needs {needed}: pip install {needed}")
    outcomes = verify(sample, tmp_path)
    if UPDATE:
        tables.update(sample, outcomes)
    assert not failures(outcomes)


@each
def test_the_page_shows_every_case_as_passed(sample: Sample) -> None:
    """The figures are those of the last `make examples`; what they are figures of must be what there is now."""
    from porter.verify.cases import read

    remedy = "UPDATE=1 make examples"
    columns, rows = tables.read(sample.folder / "README.md", "verify")
    assert columns == list(tables.VERIFY_COLUMNS), remedy
    shown = [tuple(row[:4]) for row in rows]
    assert shown == [(case.name, case.precision, "sim", "PASS") for case in read(sample.folder).cases], remedy


@each
def test_the_page_counts_what_porter_finds(sample: Sample) -> None:
    shown = tables.read(sample.folder / "README.md", "scan")
    assert shown == (list(tables.SCAN_COLUMNS), tables.scan_rows(sample.counts())), "UPDATE=1 make examples"


def test_the_index_lists_every_sample() -> None:
    columns, rows = tables.read(tables.INDEX, "index")
    assert columns == list(tables.INDEX_COLUMNS)
    assert [row[0] for row in rows] == [f"[{sample.name}]({sample.name})" for sample in samples()]


def test_a_program_that_was_interrupted_goes_on(tmp_path: Path) -> None:
    """Checkpoint and resume, with optimizer and random state, on the simulated device."""
    port = tmp_path / "port"
    shutil.copytree(Sample("language-model").folder / "port", port)
    train = ["train.py", "--workers", "0", "--log-every", "1", "--batch-size", "2", "--accumulate", "1"]
    first = run(port, *train, "--steps", "2", "--out", "first")
    assert "step 2 " in first
    second = run(port, *train, "--steps", "3", "--out", "second", "--resume", "first/last.pt")
    assert "step 3 " in second
    assert "step 2 " not in second


def run(folder: Path, *arguments: str) -> str:
    """What a program prints on the simulated device."""
    command = [sys.executable, "-m", "porter", "run", "--device", "sim", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
