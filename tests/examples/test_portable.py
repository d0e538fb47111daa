"""``porter rewrite --target portable`` on the originals: one program that runs on the CPU as it did, and on Neuron."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.examples.samples import Sample, porter, samples
from tests.examples.test_verified import failures, skip_without_packages, verify

pytest.importorskip("torch", reason="the samples are PyTorch programs: pip install torch")

QUICK = ("image-classifier", "recurrent")
# Cases that do not run on Neuron before a person has decided about a generator on the device, which CUDA keeps.
LEFT = {"diffusion-unet": ("training", "training in bfloat16")}
# What a person does after porter: a configuration cannot say "whatever the program finds", so it says nothing.
BY_HAND = {"language-model": ("config.json", '    "device": "cuda",\n    "backend": "nccl",\n', "")}
RELATIVE = 1e-4  # of losses in float32, by other kernels of the same CPU at most

each = pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.name)


@pytest.mark.parametrize("name", QUICK)
def test_a_program_runs_on_the_cpu_as_it_did(name: str, tmp_path: Path) -> None:
    on_the_cpu(Sample(name), tmp_path)


@each
@pytest.mark.examples
def test_every_program_runs_on_the_cpu(sample: Sample, tmp_path: Path) -> None:
    skip_without_packages(sample)
    on_the_cpu(sample, tmp_path)


@each
@pytest.mark.examples
def test_every_program_runs_on_the_simulated_device(sample: Sample, tmp_path: Path) -> None:
    skip_without_packages(sample)
    port = tmp_path / "port"
    rewritten(sample, port)
    cases = [name for name in cases_of(sample) if name not in LEFT.get(sample.name, ())]
    assert not failures(verify(sample, tmp_path / "case", cases, port=port))


def rewritten(sample: Sample, folder: Path) -> None:
    """The original as `portable` code, with what a person does to it."""
    shutil.copytree(sample.folder / "original", folder, ignore=shutil.ignore_patterns("__pycache__", "*.pt"))
    porter("rewrite", ".", "--write", "--quiet", "--isolated", "--no-cache", "--target", "portable", cwd=folder)
    if sample.name in BY_HAND:
        name, old, new = BY_HAND[sample.name]
        text = (folder / name).read_text(encoding="utf-8")
        assert old in text
        (folder / name).write_text(text.replace(old, new), encoding="utf-8")


def cases_of(sample: Sample) -> Mapping[str, Mapping[str, Any]]:
    cases: Mapping[str, Mapping[str, Any]] = runpy.run_path(str(sample.folder / "porter_cases.py"))["CASES"]
    return cases


def on_the_cpu(sample: Sample, folder: Path) -> None:
    """Each program of the sample's cases, in float32: what it prints as its losses, before and after.

    An original for CUDA alone has none on the CPU; the simulated device's losses are held against its oracle above.
    """
    rewritten(sample, folder / "port")
    shutil.copytree(sample.folder / "original", folder / "original", ignore=shutil.ignore_patterns("__pycache__"))
    for case in cases_of(sample).values():
        if "port" not in case or case.get("precision", "float32") != "float32":
            continue
        after = losses(folder / "port", case["port"], case)
        if not case.get("cuda_on_cpu"):
            before = losses(folder / "original", case["original"], case)
            assert after == pytest.approx(before, rel=RELATIVE)


def losses(folder: Path, command: Sequence[str], case: Mapping[str, Any]) -> list[float]:
    """What a command prints, run in a copy of a folder by plain Python: no device but the CPU."""
    program, *arguments = command
    launcher = [sys.executable, "-m", "torch.distributed.run"] if program == "torchrun" else [sys.executable]
    work = folder.parent / "run"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(folder, work)
    arguments = [argument.replace("{out}", str(work)) for argument in arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PORTER_RUN": ""}
    done = subprocess.run(
        [*launcher, *arguments], cwd=work, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
    if "losses" not in case:
        return []
    found = [float(value) for match in re.finditer(case["losses"], done.stdout) for value in match.groups()]
    assert found, done.stdout[-2000:]
    return found
