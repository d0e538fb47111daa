"""Comments that silence: where they go, what they never break, and where there is no place for one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from porter import engine
from porter.config import Settings
from porter.gate.comments import reason_error, silenced
from porter.model import Finding
from porter.sources.decode import read
from porter.sources.kinds import kind_of
from porter.sources.source import Source


def findings(path: str) -> list[Finding]:
    report = engine.run([path], Settings(cache=False, root=str(Path.cwd()), jobs=1))
    assert not report.problems
    return [f for f in report.findings if f.verdict != "portable"]


def silence(path: str, raw: bytes) -> tuple[bytes, int]:
    """What becomes of a file, and how many findings are left."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(raw)
    found = findings(path)
    assert found, "nothing to silence"
    source = read(path, path, kind_of(path) or "python")
    assert isinstance(source, Source)
    after, done = silenced(source, found, "later")
    Path(path).write_bytes(after)
    left = findings(path)
    assert len(left) == len(found) - len(done)
    assert silenced(source, [], "later") == (raw, [])
    return after, len(left)


PYTHON = {
    "behind a statement": (
        "torch.cuda.synchronize()\n",
        "torch.cuda.synchronize()  # porter: ignore[PRT201] later\n",
    ),
    "several on a line": (
        "torch.cuda.synchronize(); x = torch.zeros(3).cuda()\n",
        "torch.cuda.synchronize(); x = torch.zeros(3).cuda()  # porter: ignore[PRT102, PRT201] later\n",
    ),
    "several lines": (
        'x = torch.zeros(\n    3,  # three\n    device="cuda",\n)\n',
        'x = torch.zeros(\n    3,  # three\n    device="cuda",\n)  # porter: ignore[PRT101] later\n',
    ),
    "continued": (
        "x = 1 + \\\n    torch.cuda.device_count() \\\n    + 2\n",
        "x = 1 + \\\n    torch.cuda.device_count() \\\n    + 2  # porter: ignore[PRT109] later\n",
    ),
    "a string of several lines": (
        'x = f("""\n# no comment\n""", torch.zeros(3, device="cuda"), """a\n\n""")\n',
        'x = f("""\n# no comment\n""", torch.zeros(3, device="cuda"), """a\n\n""")  # porter: ignore[PRT101] later\n',
    ),
    "beside comments of others": (
        "torch.cuda.synchronize()  # type: ignore # fmt: skip\n",
        "torch.cuda.synchronize()  # type: ignore # fmt: skip  # porter: ignore[PRT201] later\n",
    ),
    "a list that is there": (
        "torch.cuda.synchronize(); x = torch.zeros(3).cuda()  # porter: ignore[PRT201] measured\n",
        "torch.cuda.synchronize(); x = torch.zeros(3).cuda()  # porter: ignore[PRT201, PRT102] measured\n",
    ),
    "headers and decorators": (
        "with torch.cuda.stream(s):\n    pass\nif torch.cuda.is_available(): pass\n",
        "with torch.cuda.stream(s):  # porter: ignore[PRT203] later\n    pass\n"
        "if torch.cuda.is_available(): pass  # porter: ignore[PRT108] later\n",
    ),
    "blanks at the end, none at the end of the file": (
        "torch.cuda.synchronize()   ",
        "torch.cuda.synchronize()  # porter: ignore[PRT201] later   ",
    ),
}


@pytest.mark.parametrize("name", PYTHON)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_python(name: str, newline: str) -> None:
    before, expected = (("import torch\n" + text).replace("\n", newline).encode() for text in PYTHON[name])
    assert silence("a.py", before) == (expected, 0)


def test_encodings_stay() -> None:
    raw = '# coding: latin-1\nimport torch\ns = "caf\u00e9"; torch.cuda.synchronize()\n'.encode("latin-1")
    assert silence("a.py", raw) == (raw[:-1] + b"  # porter: ignore[PRT201] later\n", 0)
    marked = b"\xef\xbb\xbfimport torch\ntorch.cuda.synchronize()\n"
    assert silence("b.py", marked) == (marked[:-1] + b"  # porter: ignore[PRT201] later\n", 0)


def test_a_reason_that_the_encoding_cannot_say() -> None:
    raw = '# coding: latin-1\nimport torch\ns = "caf\u00e9"; torch.cuda.synchronize()\n'.encode("latin-1")
    Path("a.py").write_bytes(raw)
    source = read("a.py", "a.py", "python")
    assert isinstance(source, Source)
    assert silenced(source, findings("a.py"), "\u65e5\u672c") == (raw, [])


def notebook(*cells: list[str]) -> bytes:
    code = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": lines} for lines in cells]
    return json.dumps({"cells": code, "metadata": {}, "nbformat": 4}, indent=1).encode()


def test_notebooks() -> None:
    first, last = ["import torch\n", "torch.cuda.synchronize()\n", "x = 1"], ["%matplotlib inline\n", "x = f(\n", "  "]
    last[-1] = 'torch.zeros(3, device="cuda"))'
    after, left = silence("n.ipynb", notebook(first, last))
    first[1] = "torch.cuda.synchronize()  # porter: ignore[PRT201] later\n"
    last[-1] += "  # porter: ignore[PRT101] later"
    assert (after, left) == (notebook(first, last), 0)


def test_magics_get_none() -> None:
    raw = notebook(
        ["import torch\n", "!pip install flash-attn\n", "%env CUDA_VISIBLE_DEVICES=0"], ["%%bash\n", "nvcc a.cu"]
    )
    assert silence("n.ipynb", raw)[0] == raw


OTHERS = {
    "requirements.txt": ("flash-attn==2.8\n", "# porter: ignore[PRT702] later\nflash-attn==2.8\n"),
    "run.sh": (
        "set -e\nif true; then\n  nvidia-smi \\\n    -L\nfi\n",
        "set -e\nif true; then\n  # porter: ignore[PRT804] later\n  nvidia-smi \\\n    -L\nfi\n",
    ),
    "Dockerfile": (
        "FROM nvidia/cuda:12.4.0-devel\nRUN a \\\n && pip install flash-attn\n",
        "# porter: ignore[PRT803] later\nFROM nvidia/cuda:12.4.0-devel\n"
        "# porter: ignore[PRT702] later\nRUN a \\\n && pip install flash-attn\n",
    ),
    "conf/train.yaml": (
        "a:\n  - b\ntrainer:\n  device: cuda\n",
        "a:\n  - b\ntrainer:\n  # porter: ignore[PRT802] later\n  device: cuda\n",
    ),
    "pyproject.toml": (
        '[project]\ndependencies = [\n  "flash-attn",\n]\n',
        '[project]\ndependencies = [\n  # porter: ignore[PRT702] later\n  "flash-attn",\n]\n',
    ),
    "k.cpp": (
        '/* ERROR" */\nvoid f() {\n  cudaFree(x);\n}\n',
        '/* ERROR" */\nvoid f() {\n  // porter: ignore[PRT604] later\n  cudaFree(x);\n}\n',
    ),
    "Makefile": ("a: b\n\tnvcc -o a b\n", "a: b\n\t# porter: ignore[PRT806] later\n\tnvcc -o a b\n"),
}


@pytest.mark.parametrize("path", OTHERS)
def test_other_kinds_of_file(path: str) -> None:
    before, expected = (text.encode() for text in OTHERS[path])
    assert silence(path, before) == (expected, 0)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("config.json", '{"device": "cuda"}\n'),
        ("run.sh", "cat <<EOF > x.sh\nnvidia-smi\nEOF\nnvidia-smi\n"),
        ("ci.yaml", "steps:\n  - run: |\n      nvidia-smi\n      pip install flash-attn\n"),
        ("Dockerfile", "FROM nvidia/cuda:12\nRUN <<EOF\npip install flash-attn\nEOF\n"),
        ("k.cpp", 'auto s = R"(\n)";\nvoid f() { cudaFree(x); }\n'),
        ("pyproject.toml", '[project]\nx = """\n"""\ndependencies = ["flash-attn"]\n'),
    ],
)
def test_where_there_is_no_place(path: str, text: str) -> None:
    after, left = silence(path, text.encode())
    assert after == text.encode()
    assert left


@pytest.mark.parametrize(
    "reason", ["", "  ", "two\nlines", "esc \x1b", "see # noqa", "x // porter: ignore", "# porter: x"]
)
def test_reasons_that_are_none(reason: str) -> None:
    assert reason_error(reason) is not None


def test_reasons() -> None:
    assert reason_error("see #12, https://example.org/x") is None
