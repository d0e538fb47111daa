"""Comments for people: where they go, and that they come and go without a trace."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from porter import engine
from porter.config import load
from porter.model import TARGETS, Verdict
from porter.rewrite.annotate import comments, strip
from porter.rewrite.apply import apply, stripped
from porter.sources.source import Source
from tests.ecosystem.invariants import working_in
from tests.rewrite.helpers import applied, finding, source_of
from tests.rewrite.test_apply import notebook

TODO = "# TODO(porter) PRT201: Do it."


def annotated(source: Source, *places: tuple[int, int | None]) -> Source:
    findings = [finding(verdict=Verdict.MANUAL, line=line, cell=cell) for line, cell in places]
    result = apply(source, findings, [None] * len(findings), annotate=True)
    assert not result.problems
    return source_of(result.after, source.kind)


@pytest.mark.parametrize(
    ("before", "line", "after"),
    [
        ("x = 1\n", 1, f"{TODO}\nx = 1\n"),
        ("if a:\n    x = 1\n", 2, f"if a:\n    {TODO}\n    x = 1\n"),
        ("if a:\n\tx = 1\n", 2, f"if a:\n\t{TODO}\n\tx = 1\n"),
        ("x = f(\n    1,\n    2)\n", 3, f"{TODO}\nx = f(\n    1,\n    2)\n"),
        ("x = '''\ncuda\n'''\n", 2, f"{TODO}\nx = '''\ncuda\n'''\n"),
        ("x = 1 + \\\n    2\n", 2, f"{TODO}\nx = 1 + \\\n    2\n"),
        ("@a\n@b(1)\ndef f(x=2):\n    pass\n", 3, f"{TODO}\n@a\n@b(1)\ndef f(x=2):\n    pass\n"),
        ("if a:\n    pass\nelif b:\n    pass\n", 3, f"if a:\n    pass\n{TODO}\nelif b:\n    pass\n"),
        ("#!/bin/sh\n# coding: utf-8\nx = 1\n", 3, f"#!/bin/sh\n# coding: utf-8\n{TODO}\nx = 1\n"),
        ("x = 1\r\ny = 2\r\n", 2, f"x = 1\r\n{TODO}\r\ny = 2\r\n"),
        ("x = 1", 1, f"{TODO}\nx = 1"),
        ("a = 1; x = 1\n", 1, f"{TODO}\na = 1; x = 1\n"),
    ],
)
def test_comments_stand_above_the_statement(before: str, line: int, after: str) -> None:
    source = source_of(before.encode())
    once = annotated(source, (line, None))
    assert once.text.decode() == after
    ast.parse(once.text.decode())
    moved = once.text[: once.text.index(b"TODO")].count(b"\n")
    again = annotated(once, (line + (1 if moved < line else 0), None))
    assert again.text == once.text
    assert applied(once.text, strip(once)) == source.text


def test_a_comment_is_brought_up_to_date() -> None:
    source = source_of(b"# TODO(porter) PRT201: Old.\n# TODO(porter) PRT204: Other.\nx = 1\n")
    assert annotated(source, (3, None)).text.decode() == f"{TODO}\n# TODO(porter) PRT204: Other.\nx = 1\n"


def test_one_comment_a_code_and_none_for_what_porter_does() -> None:
    source = source_of(b"x = 1\n")
    findings = [
        finding(verdict=Verdict.BLOCKED, code="PRT204"),
        finding(verdict=Verdict.BLOCKED, code="PRT204", advice="Twice."),
        finding(verdict=Verdict.UNKNOWN, code="PRT209", advice="Two\nlines, line 7. See line 8."),
        finding(verdict=Verdict.PORTABLE, code="PRT303"),
    ]
    (one,) = comments(source, findings)
    assert one.findings == tuple(findings[:3])
    assert one.edit.text == "# TODO(porter) PRT204: Do it.\n# TODO(porter) PRT209: Two lines. See another line.\n"


def test_comments_in_strings_are_not_porters() -> None:
    source = source_of(f"x = '''\n{TODO}\n'''\n".encode())
    assert strip(source) == []


def test_comments_join_fixes_of_the_same_line() -> None:
    source = source_of(b"from a import b, c\nb(); c()\n")
    findings = [finding([(0, 0, "from d import e\n"), (15, 18, "")]), finding(verdict=Verdict.MANUAL)]
    result = apply(source, findings, [None, None], annotate=True)
    assert result.after.decode() == f"from d import e\n{TODO}\nfrom a import b\nb(); c()\n"


def test_notebooks_keep_their_magics() -> None:
    source = source_of(notebook("%%bash\npip install x\n", "%%time\nx = 1\n!nvidia-smi\n", "y = 1"), "notebook")
    done = annotated(source, (1, 0), (2, 0), (1, 1), (2, 1), (3, 1), (1, 2))
    cell = f"%%time\n{TODO}\nx = 1\n{TODO}\n!nvidia-smi\n"
    assert done.raw == notebook("%%bash\npip install x\n", cell, f"{TODO}\ny = 1")
    again = annotated(done, (3, 1), (5, 1), (2, 2))
    assert again.raw == done.raw


@pytest.mark.parametrize(
    ("kind", "before", "line", "after"),
    [
        ("requirements", "torch\nflash-attn\n", 2, f"torch\n{TODO}\nflash-attn\n"),
        ("docker", "FROM x\nRUN a && \\\n  b\n", 3, f"FROM x\n{TODO}\nRUN a && \\\n  b\n"),
        ("docker", "RUN <<E\nb\nE\n", 2, None),
        ("shell", "#!/bin/sh\nnvidia-smi\n", 2, f"#!/bin/sh\n{TODO}\nnvidia-smi\n"),
        ("shell", "cat <<E\nnvidia-smi\nE\n", 2, None),
        ("yaml", "run: |\n  nvidia-smi\n", 2, None),
        ("json", '{"device": "cuda"}\n', 1, None),
        ("native", "int x;\n", 1, None),
    ],
)
def test_other_files(kind: str, before: str, line: int, after: str | None) -> None:
    assert annotated(source_of(before.encode(), kind), (line, None)).text.decode() == (after or before)


LINES = [
    "x = 1",
    "if x:",
    "    y = f(",
    "        1)",
    "    pass",
    "@a",
    "def g():",
    "\treturn 2",
    "# note",
    "",
    "s = '''",
    "'''",
]


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(LINES), min_size=1, max_size=12),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.sets(st.integers(1, 12), max_size=6),
    st.sampled_from(["python", "notebook", "shell", "requirements", "yaml"]),
)
def test_what_is_annotated_and_stripped_is_as_it_was(
    lines: list[str], end: str, ends: bool, places: set[int], kind: str
) -> None:
    text = end.join(lines) + (end if ends else "")
    source = source_of(notebook(text, "z = 3") if kind == "notebook" else text.encode(), kind)
    cell = 0 if kind == "notebook" else None
    findings = [finding(verdict=Verdict.MANUAL, line=line, cell=cell) for line in sorted(places)]
    result = apply(source, findings, [None] * len(findings), annotate=True)
    assert stripped(source_of(result.after, kind)).after == source.raw


@pytest.mark.parametrize("target", TARGETS)
def test_the_examples_lose_their_comments_again(target: str) -> None:
    chosen = load(isolated=True, overrides={"target": target, "cache": False})
    with working_in(Path(__file__).parents[2] / "examples"):
        plain = {file.path: file.after for file in engine.rewrite(["."], chosen).files}
        noted = [file for file in engine.rewrite(["."], chosen, annotate=True).files if file.changes]
        assert any(b"# TODO(porter) PRT" in file.after for file in noted)
        for file in noted:
            kind = next(task.kind for task in engine._tasks([file.path], chosen, None)[0])
            assert stripped(source_of(file.after, kind)).after == plain.get(file.path, file.before), file.path
