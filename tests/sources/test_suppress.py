"""Comments that silence findings, and strings that only look like them."""

from __future__ import annotations

import json

import pytest

from porter.sources.decode import decode
from porter.sources.source import Source
from porter.sources.suppress import suppressions


def source(text: str, kind: str = "python") -> Source:
    result = decode(text.encode(), "a", kind)
    assert isinstance(result, Source)
    return result


def silent(text: str, kind: str = "python", code: str = "PRT101", name: str = "hardcoded-cuda-device") -> list[int]:
    """Lines on which a finding of the rule is silenced."""
    found = suppressions(source(text, kind))
    return [line for line in range(1, text.count("\n") + 2) if found.covers(code, name, line, line)]


@pytest.mark.parametrize(
    ("comment", "silenced"),
    [
        ("# porter: ignore", True),
        ("# porter: ignore[PRT101]", True),
        ("# porter: ignore[PRT101] because it is a benchmark", True),
        ("# porter:ignore[ PRT203 , PRT101 ]", True),
        ("# porter: ignore[hardcoded-cuda-device]", True),
        ("# porter: ignore[PRT1]", True),
        ("# porter: ignore[ALL]", True),
        ("# type: ignore  # porter: ignore[PRT101]", True),
        ("#porter: ignore", True),
        ("# porter: ignore[PRT203]", False),
        ("# porter: ignore[]", False),
        ("# porter: ignored", False),
        ("# porter: ignore-file", False),
        ("# import porter: ignore", False),
        ("# noqa", True),
        ("# NOQA", True),
        ("# noqa: PRT101", True),
        ("# noqa:E501,PRT101", True),
        ("# noqa: E501 PRT101", True),
        ("# noqa: PRT1", True),
        ("# noqa: E501", False),
        ("# noqa: because", False),
        ("# noqa-not", True),
        ("# noqable", False),
        ("# flake8: noqa", False),
    ],
)
def test_comments(comment: str, silenced: bool) -> None:
    assert silent(f"x = 1\ny = 2  {comment}\nz = 3\n") == ([2] if silenced else [])


def test_a_comment_covers_its_logical_line() -> None:
    text = """\
a = f(
    1,  # porter: ignore
    # more
    "cuda",
)
with g(x), \\
     h(y):  # noqa: PRT101
    z
"""
    assert silent(text) == [1, 2, 3, 4, 5, 6, 7]


def test_a_comment_above_covers_the_next_statement() -> None:
    text = """\
# porter: ignore[PRT101] a reason
# that takes two lines
x = f(
    1)
y
# porter: ignore

z
if z:
    # porter: ignore
    @d
    def f(): pass
"""
    assert silent(text) == [1, 2, 3, 4, 10, 11]


def test_strings_are_no_comments() -> None:
    text = '''\
"""
# porter: ignore
"""
x = "# porter: ignore"; y = 1
z = f"{x}  # noqa" 'a' \'\'\'
# noqa\'\'\'
w = "\\"# noqa"  # porter: ignore
'''
    assert silent(text) == [7]


def test_ignore_file_stands_before_the_first_statement() -> None:
    assert silent("#!/usr/bin/env python\n# porter: ignore-file\nx\n\ny") == [1, 2, 3, 4, 5]
    assert silent('"""Doc."""\n\n# porter: ignore-file[PRT101] generated\nx\n') == [1, 2, 3, 4, 5]
    assert silent("# porter: ignore-file[PRT2]\nx\n") == []
    assert silent("x\n# porter: ignore-file\ny\n") == []
    assert silent("x  # porter: ignore-file\n") == []


def test_files_that_do_not_parse() -> None:
    assert silent("print 'x'  # porter: ignore\nif:\n    'unclosed  # noqa\ny\n") == [1]


def test_findings_of_several_lines() -> None:
    found = suppressions(source("a\nb  # porter: ignore\nc\n"))
    assert found.covers("PRT101", "x", 1, 2)
    assert found.covers("PRT101", "x", 2, 9)
    assert not found.covers("PRT101", "x", 3, 9)


@pytest.mark.parametrize(
    ("kind", "text", "lines"),
    [
        ("shell", "# porter: ignore\nnvidia-smi \\\n  -L\nnvcc  # noqa\n", [1, 2, 3, 4]),
        ("yaml", "device: cuda  # porter: ignore[PRT101]\nurl: https://x # noqa\nx: 1\n", [1, 2]),
        ("requirements", "flash-attn  # porter: ignore\n# porter: ignore\napex\n", [1, 2, 3]),
        ("native", "#include <cuda.h>  // porter: ignore\n#define X\n// noqa\nx;\n", [1, 3, 4]),
        ("docker", "# porter: ignore-file\nFROM nvidia/cuda\n", [1, 2, 3]),
        ("json", '{"device": "cuda"}  // porter: ignore\n', [1]),
    ],
)
def test_other_kinds_of_file(kind: str, text: str, lines: list[int]) -> None:
    assert silent(text, kind) == lines


def test_notebooks_with_shell_lines() -> None:
    cells = [["x = 1\n", "!pip install apex  # porter: ignore\n", "y"], ["z  # noqa"]]
    text = json.dumps({"cells": [{"cell_type": "code", "source": lines} for lines in cells]})
    found = suppressions(source(text, "notebook"))
    assert [line for line in range(1, 6) if found.covers("PRT101", "x", line, line)] == [2, 4]


def test_the_used_ones_are_remembered() -> None:
    found = suppressions(source("a  # porter: ignore[PRT1]\nb  # porter: ignore[PRT2]\nc  # noqa: PRT3\nd  # noqa\n"))
    assert found.covers("PRT101", "x", 1, 1)
    assert not found.covers("PRT101", "x", 2, 2)
    assert [(item.line, item.selectors) for item in found.unused()] == [(2, ("PRT2",)), (3, ("PRT3",))]
