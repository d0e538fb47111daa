"""Files beyond all measure: dealt with or refused, in bounded time either way."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from porter import engine
from porter.config import load
from porter.reading import MAX_BYTES
from porter.report import CHECK_FORMATS, renderer
from porter.report.view import View

N = 10_000
HEAD = 'import torch\n\nd = torch.device("cuda")\n'


def _nested(opening: str, closing: str, depth: int) -> str:
    return f"{HEAD}x = {opening * depth}1{closing * depth}\n"


def _blocks(line: str, depth: int) -> str:
    return HEAD + "".join(f"{' ' * i}{line.format(i)}:\n" for i in range(depth)) + " " * depth + "d.cuda()\n"


def _notebook(*cells: str) -> str:
    return json.dumps({"cells": [{"cell_type": "code", "source": cell} for cell in cells]})


GIANTS = {
    "brackets.py": _nested("(", ")", N),
    "brackets that parse.py": _nested("[", "]", 90),
    "brackets in a call.py": f"{HEAD}x = torch.zeros({'(' * 90}1{')' * 90}).cuda()\n",
    "calls.py": f"{HEAD}x = torch.zeros(1){'.cuda()' * 300}\n",
    "chain.py": f"{HEAD}x = torch{'.cuda' * N}\n",
    "long chain.py": f"{HEAD}x = a{'.b' * 100_000}\n",
    "functions.py": _blocks("def f{}()", 1000),
    "functions that parse.py": _blocks("def f{}(device='cuda')", 95),
    "tests.py": _blocks("if torch.cuda.is_available()", 95),
    "elif.py": HEAD + "if a:\n    pass\n" + "elif torch.cuda.is_available():\n    d.cuda()\n" * 300,
    "not.py": f"{HEAD}x = {'not ' * N}1\n",
    "lambda.py": f"{HEAD}x = {'lambda: ' * 1000}d\n",
    "sum.py": f"{HEAD}x = {' + '.join(['1'] * 50_000)}\n",
    "f-string.py": f"{HEAD}x = f'{'{d}' * N}cuda'\n",
    "list.py": f"{HEAD}x = [{'0, ' * 100_000}]\n",
    "list of devices.py": HEAD + "x = [" + '"cuda", ' * 100_000 + "]\n",
    "dictionary.py": HEAD + "x = {" + ", ".join(f'"k{i}": 1' for i in range(100_000)) + "}\n",
    "line.py": f"{HEAD}x = '{'cuda ' * 1_900_000}'\n",
    "comment.py": f"{HEAD}# {'cuda ' * 1_900_000}\n",
    "blanks.py": f"{HEAD}x = 'cuda'{' ' * 9_000_000}\n",
    "lines.py": HEAD + "\n" * 1_000_000,
    "uses.py": HEAD + "x = torch.zeros(1).cuda()\n" * 5000,
    "uses on one line.py": HEAD + "; ".join(["x = torch.zeros(1).cuda()"] * 3000) + "\n",
    "unknown.py": HEAD + "def f(b):\n" + "    x = b.get().cuda()\n" * 1000,
    "moved again.py": HEAD + "def f(x):\n" + "    if torch.cuda.is_available():\n        x = x.cuda()\n" * 400,
    "returned alike.py": HEAD + "def f(x):\n" + "    if not torch.cuda.is_available():\n        return\n" * 500,
    "checkpoints.py": HEAD + "def f(p):\n" + "    x = torch.load(p, map_location='cuda')\n" * 4000,
    "batches.py": HEAD + "for b in loader:\n    x, y = b\n    x = x.cuda()\n    y = y.cuda()\n" * 800,
    "chosen types.py": HEAD + "T = torch.cuda.FloatTensor if d else torch.FloatTensor\nx = T(3)\n" * 400,
    "number.py": f"{HEAD}x = {'9' * 5000}\n",
    "open.py": HEAD + "x = (\n" * N,
    "array.json": '{"device": "cuda", "x": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "objects.json": '{"a": ' * 50_000 + '"cuda"' + "}" * 50_000,
    "bomb.yaml": "a: &a [x, x]\n" + "".join(f"b{i}: &b{i} [*a, *a, *a]\n" for i in range(50)) + "device: cuda\n",
    "flow.yaml": "device: " + "[" * 30_000 + "cuda" + "]" * 30_000 + "\n",
    "dashes.yaml": "- " * 50_000 + "cuda\n",
    "tables.toml": "[" + ".".join(["a"] * 50_000) + "]\ndevice = 'cuda'\n",
    "arrays.toml": "device = " + "[" * 5000 + "'cuda'" + "]" * 5000 + "\n",
    "requirements.txt": "nvidia-cublas-cu12 \\\n" * 500,
    "Dockerfile": "FROM nvidia/cuda:12\nRUN " + "a && \\\n" * 10_000 + "nvidia-smi\n",
    "variables/Dockerfile": "ARG A=x\n" + "ARG A=${A}${A}\n" * 100 + "FROM ${A}\n",
    "run.sh": "nvidia-smi " + '"$(a ' * 5000 + "\n",
    "quotes.sh": "nvidia-smi " + "'" * 100_001 + "\n",
    "documents.sh": "cat " + "<<A " * 5000 + "\nnvidia-smi\n" + "A\n" * 5000,
    "kernel.cu": "__global__ void f() {}\n" + "f<<<1, 2>>>();\n" * 5000 + "/*" + "*" * 1_000_000,
    "one.ipynb": _notebook("import torch\n" + "x = torch.zeros(1).cuda()  # é\n" * 2000),
    "cells.ipynb": _notebook(*["import torch\nx = torch.zeros(1).cuda()\n"] * 1000),
    "deep.ipynb": '{"cells": ' + "[" * 100_000,
    "magics.ipynb": _notebook("!pip install torch==2.1+cu118\n" * 1000),
}


@pytest.mark.parametrize("name", GIANTS)
def test_no_giant_takes_for_ever(name: str) -> None:
    given = load(isolated=True, overrides={"cache": False, "seconds_per_file": 8})
    raw, begin = GIANTS[name].encode(), time.process_time()
    file = name if "/" in name or "." not in name else name.replace(" ", "_")
    report = engine.run((), given, stdin=(file, raw))
    engine.rewrite((), given, stdin=(file, raw))
    assert time.process_time() - begin < 15
    for problem in report.problems:
        assert len(problem.message) < 500
        assert "takes more than" not in problem.message
    if file.endswith(".py"):
        assert report.findings, "it is found, or said that it cannot be"


def test_reports_of_giants_are_no_giants() -> None:
    given = load(isolated=True, overrides={"cache": False})
    for name in ("line.py", "list of devices.py", "uses on one line.py"):
        raw = GIANTS[name].encode()
        report = engine.run((), given, stdin=("a.py", raw))
        report.findings = report.findings[:50]
        for output in CHECK_FORMATS:
            begin = time.process_time()
            text = "".join(renderer(CHECK_FORMATS, output)(report, View(given, contents={"a.py": raw})))
            assert time.process_time() - begin < 5
            assert len(text) < 400_000


def test_files_above_the_limit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Path("a.py").open("wb") as file:
        file.write(HEAD.encode())
        file.truncate(MAX_BYTES + 1)
    report = engine.run(["."], load(isolated=True, overrides={"cache": False}))
    assert [problem.message.partition(" (")[0] for problem in report.problems] == ["is too large"]
