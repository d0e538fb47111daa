"""A small, fixed part of the fuzzing: `make fuzz` goes on for as long as one likes."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from porter import engine
from porter.config import load
from porter.engine import Report
from porter.index import share
from tests.fuzz import grammar, mutate, pool
from tests.fuzz.check import TARGETS, problems

SMALL = settings(
    max_examples=250,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
ACCIDENTS = 600


@SMALL
@given(grammar.files, st.sampled_from(TARGETS), st.booleans())
def test_programs_of_the_grammar(file: tuple[str, bytes], target: str, annotate: bool) -> None:
    assert problems(*file, target, annotate=annotate) == []


@pytest.mark.parametrize("seed", range(2))
def test_files_after_accidents(seed: int) -> None:
    random, files = Random(seed), mutate.cases()
    others = [raw for _, raw in files]
    for _ in range(ACCIDENTS):
        name, raw = random.choice(files)
        raw = mutate.mutated(raw, random, others)
        assert problems(name, raw, random.choice(TARGETS), annotate=random.random() < 0.5) == [], (name, raw)


@pytest.mark.parametrize("target", TARGETS)
def test_every_symbol_of_the_catalogue(target: str) -> None:
    for symbol in pool.symbols():
        root = symbol.partition(".")[0]
        text = f"import {root}\nx = {symbol}\n{symbol}()\nwith {symbol}(x, a=1) as y:\n    y = {symbol}\n"
        assert problems("case.py", text.encode(), target) == [], symbol


# What fuzzing has found, made small.
FOUND = {
    "line ends of old Macs": (
        "case.py",
        b"import torch\rx = 1\rif torch.cuda.is_available():\r    torch.cuda.synchronize()\r",
    ),
    "an encoding that UTF-8 is not": (
        "case.py",
        b"# coding=utf-7\r\tglobal args; return torch.device((x := torch.cuda.nccl)) if torch.cuda.is_available() else "
        b"{'k': 1}; dev = await {*+AOk, torch.device(True if torch.cuda.is_available() else 1)}  # porter: ignore\r",
    ),
    "a package that is not imported yet": ("case.py", b"import torch\nx = torch.cuda.StreamContext\n"),
    "a window that begins within a character": (
        "case.py",
        "import torch\nraise RuntimeError(getattr(torch, (変数 := torch.UntypedStorage.cuda)))\n".encode(),
    ),
    "an encoding that has to stay on top": (
        "case.py",
        b"# coding=mac-roman\nif x:\n    import torch\nassert True if torch.cuda.is_available() else "
        b"torch.device(torch.cuda.get_per_process_memory_fraction), 'x'\n",
    ),
    "a byte that is no UTF-8, on a line that goes": ("requirements.txt", b"flash-attn  # por\xa3er\nnumpy\n"),
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", FOUND)
def test_what_was_found(name: str, target: str) -> None:
    for annotate in (False, True):
        assert problems(*FOUND[name], target, annotate=annotate) == []


@settings(SMALL, max_examples=4)
@given(st.lists(grammar.files, min_size=4, max_size=12), st.sampled_from(TARGETS))
def test_processes_and_cache_change_nothing(files: list[tuple[str, bytes]], target: str) -> None:
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as place:
        folder = Path(place)
        patch.chdir(folder)
        patch.setattr(share, "_FEW", 1)
        patch.setattr(share, "_SMALL", 1)
        for number, (name, raw) in enumerate(files):
            path = folder / f"m{number}" / name
            path.parent.mkdir(parents=True)
            path.write_bytes(raw)
        plain = _told(target, cache=False, jobs=1)
        assert _told(target, cache=False, jobs=2) == plain
        assert _told(target, cache=True, jobs=2) == plain
        assert _told(target, cache=True, jobs=1) == plain


def _told(target: str, **overrides: object) -> str:
    given = load(isolated=True, overrides={"target": target, "select": ("ALL",), **overrides})
    report: Report = engine.run(["."], given)
    changes = engine.rewrite(["."], given).files
    found = [repr(finding) for finding in report.findings] + [repr(problem) for problem in report.problems]
    return json.dumps([found, [repr((file.path, file.after, file.changes)) for file in changes]])
