"""The ports compute what the originals compute, and the pages say so."""

from __future__ import annotations

import importlib.util
import json
import os
import runpy
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
    "ddp-training": "two processes",
    "language-model": "model in bfloat16",
    "recurrent": "GRU",
}
NEEDS = {"bert-finetune": "transformers"}
ON_DEVICE = {  # a step or two of each port
    "bert-finetune": ["finetune.py", "--max-steps", "1", "--train-size", "64"],
    "custom-kernel": ["train.py", "--steps", "2"],
    "ddp-training": [
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node=neuron",
        "train.py",
        "--steps",
        "2",
    ],
    "diffusion-unet": ["train.py", "--steps", "2", "--sample-steps", "2"],
    "fsdp2-transformer": [
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node=2",
        "train.py",
        "--steps",
        "2",
    ],
    "gan": ["dcgan.py", "--n_batches", "2"],
    "image-classifier": ["train.py", "--steps", "2", "--train-size", "128", "--val-size", "64"],
    "kv-cache-inference": ["generate.py", "--max-new-tokens", "4", "--compile", "--profile", "trace.json"],
    "language-model": ["train.py", "--steps", "2"],
    "recurrent": ["train.py", "--steps", "2"],
}
REMEDY = "UPDATE=1 make examples"

each = pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.name)


def verify(
    sample: Sample, folder: Path, cases: Iterable[str] = (), *, port: Path | None = None
) -> list[dict[str, Any]]:
    """The outcomes of a sample's cases, or of another port's, on the simulated device, with oracles of their own."""
    copy = folder / sample.name
    shutil.copytree(sample.folder, copy, ignore=shutil.ignore_patterns("__pycache__", ".porter_oracle"))
    if port is not None:
        shutil.rmtree(copy / "port")
        shutil.copytree(port, copy / "port")
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
    skip_without_packages(sample)
    outcomes = verify(sample, tmp_path)
    if UPDATE:
        tables.update_figures(sample, outcomes)
    assert not failures(outcomes)


@each
@pytest.mark.examples
def test_the_port_computes_on_the_device(sample: Sample, tmp_path: Path) -> None:
    """As a user runs it, with its own defaults: AMP, workers, pinned memory. None falls back to the CPU unnoticed."""
    skip_without_packages(sample)
    port = tmp_path / "port"
    shutil.copytree(sample.folder / "port", port)
    run(port, *ON_DEVICE[sample.name], trace=tmp_path / "{rank}.json")
    traces = [json.loads(file.read_text(encoding="utf-8")) for file in tmp_path.glob("*.json")]
    counts = {operator["name"]: operator["count"] for trace in traces for operator in trace["trace"]["operators"]}
    assert counts.keys() & {"aten::addmm", "aten::mm", "aten::convolution"}, counts


@each
def test_the_page_shows_every_case_as_passed(sample: Sample) -> None:
    """The figures are those of the last `make examples`; what they are figures of must be what there is now."""
    cases = runpy.run_path(str(sample.folder / "porter_cases.py"))["CASES"]
    columns, rows = tables.read(sample.folder / "README.md", "verify")
    assert columns == list(tables.VERIFY_COLUMNS), REMEDY
    shown = [tuple(row[:4]) for row in rows]
    assert shown == [(name, case.get("precision", "float32"), "sim", "PASS") for name, case in cases.items()], REMEDY


@each
def test_the_page_counts_what_porter_finds(sample: Sample) -> None:
    shown = tables.read(sample.folder / "README.md", "scan")
    assert shown == (list(tables.SCAN_COLUMNS), tables.scan_rows(sample.counts())), "python -m tests.examples port"


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


def skip_without_packages(sample: Sample) -> None:
    needed = NEEDS.get(sample.name)
    if needed and importlib.util.find_spec(needed) is None:
        pytest.skip(f"{sample.name} needs {needed}: pip install {needed}")


def run(folder: Path, *arguments: str, trace: Path | None = None) -> str:
    """What a program prints on the simulated device; what it did there is left in the file ``trace``."""
    options = ["--trace", "json", "--trace-file", str(trace)] if trace else []
    command = [sys.executable, "-m", "porter", "run", "--device", "sim", *options, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
