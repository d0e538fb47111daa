"""The ground truth is worth what its reading of Python is worth."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.ecosystem.truth import mentions, scan


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import torch.cuda as c; from nccl import x", [(1, "import", "cuda"), (1, "import", "nccl")]),
        ("try: import flash_cuda\nexcept: pass", [(1, "import", "flash_cuda")]),
        ("from . import (\n    a,\n    cuda_b as b,\n)", [(3, "import", "cuda_b")]),
        ("use_cuda = 1  # cuda\nf(cuda=use_cuda)", []),
        ("def f():\n    'cuda'\n    'nvtx' \"nccl\"", []),
        ("x.\\\n  cuda()", [(2, "attribute", "cuda")]),
        ("a = x['cuda'][1:2].is_cuda", [(1, "string", "'cuda'"), (1, "attribute", "is_cuda")]),
        ('y = """a\n  CUDA b\ncuDNN"""', [(2, "string", "CUDA b"), (3, "string", 'cuDNN"""')]),
    ],
)
def test_kinds_and_lines(code: str, expected: list[tuple[int, str, str]]) -> None:
    assert [found[:3] for found in scan(code)] == expected


def test_a_module_spans_the_names_imported_from_it() -> None:
    code = "from torch.cuda import (\n    a,\n    b_cuda,\n)\n"
    assert list(scan(code)) == [(1, "import", "cuda", 4), (3, "import", "b_cuda", 3)]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('f"cuda:{i}"', ["string"]),
        ('f"{use_cuda}"', []),
        ('f"{{cuda}}"', ["string"]),
        ('f"{x.is_cuda!r:>{w}}"', ["attribute"]),
        ("f\"{d['cuda'][1:2]}\"", ["string"]),
        ('f"{t:cuda}"', ["string"]),
        ('rb"cuda"', ["string"]),
    ],
)
def test_fields_of_f_strings_are_code_on_every_python(code: str, expected: list[str]) -> None:
    assert [what for _, what, *_ in scan(f"value = {code}\n")] == expected


def test_lines_of_a_long_f_string() -> None:
    code = 's = f"""a\n{\n x.cuda\n}\nnccl"""\n'
    assert sorted((line, what) for line, what, *_ in scan(code)) == [(3, "attribute"), (5, "string")]


def test_text_before_an_error_counts() -> None:
    assert [found[:3] for found in scan("x.cuda()\nprint 'nccl'\ny = (")] == [
        (1, "attribute", "cuda"),
        (2, "string", "'nccl'"),
    ]


def test_notebook_cells_count_their_own_lines(tmp_path: Path) -> None:
    sources = [["!pip install nvidia-cuda\n", "x.cuda()"], "%%bash\nnvcc x.cuda", ["y = 'nccl'"]]
    notebook = {"cells": [{"cell_type": "code", "source": source} for source in sources]}
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps(notebook))
    assert [(m.cell, m.line, m.what) for m in mentions(path)] == [(0, 2, "attribute"), (2, 1, "string")]
    path.write_text("{")
    assert mentions(path) == []


def test_exotic_encodings_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes("# coding: cp1251\nx = 'привет cuda'\n".encode("cp1251"))
    assert [m.line for m in mentions(path)] == [2]
    path.write_bytes(b"x = '\xff cuda'\n")
    assert [m.line for m in mentions(path)] == [1]
