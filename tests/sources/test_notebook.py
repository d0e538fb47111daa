"""Notebooks: what analysis sees of them, and edits that touch nothing else."""

from __future__ import annotations

import ast
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from porter.model import Problem
from porter.sources.decode import decode
from porter.sources.magics import mask
from porter.sources.source import Source

OUTPUT = {"output_type": "stream", "name": "stdout", "text": ["cuda é \\u00e9\n"]}


def cell(*lines: str, kind: str = "code", **more: Any) -> dict[str, Any]:
    return {"cell_type": kind, "metadata": {"tags": ["cuda"]}, "outputs": [OUTPUT], "source": list(lines), **more}


def dump(*cells: dict[str, Any], indent: int | None = 1, ascii: bool = False, **metadata: Any) -> bytes:
    notebook = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, indent=indent, ensure_ascii=ascii).encode() + b"\n"


def read(raw: bytes) -> Source:
    result = decode(raw, "a.ipynb", "notebook")
    assert isinstance(result, Source), result
    return result


def problem(raw: bytes) -> Problem:
    result = decode(raw, "a.ipynb", "notebook")
    assert isinstance(result, Problem)
    return result


def replace(src: Source, old: str, new: str) -> bytes | None:
    start = src.text.index(old.encode())
    edit = src.to_disk(start, start + len(old.encode()), new)
    return edit and src.raw[: edit.start] + src.encode(edit.text) + src.raw[edit.end :]


def lines_of(raw: bytes | None, index: int) -> Any:
    assert raw is not None
    return json.loads(raw)["cells"][index]["source"]


def test_code_cells_follow_one_another() -> None:
    src = read(dump(cell("# text", kind="markdown"), cell("import torch\n", "x = 1"), cell(), cell("y = 2\n")))
    assert src.text == b"import torch\nx = 1\n\ny = 2\n\n"
    assert src.kind == "notebook"


def test_places_count_within_the_cell() -> None:
    src = read(dump(cell("text", kind="markdown"), cell("a = 1\n", "b = 'é' + 'cuda'"), cell("c = 3")))
    assert src.locate(src.text.index(b"'cuda'")) == (2, 11, 1)
    assert src.locate(src.text.index(b"c = 3")) == (1, 1, 2)
    assert src.line(src.text.index(b"c = 3")) == 3


@pytest.mark.parametrize("indent", [None, 1, 4])
@pytest.mark.parametrize("ascii", [False, True])
def test_an_edit_touches_nothing_else(indent: int | None, ascii: bool) -> None:
    raw = dump(cell("# ü\n", 's = "é\\n" + x.to("cuda")\n', "y"), cell("z = 'cuda'"), indent=indent, ascii=ascii)
    after = replace(read(raw), '"cuda"', '"neuron"')
    assert after == raw.replace(rb"to(\"cuda\")", rb"to(\"neuron\")", 1)


def test_edited_text_is_escaped_as_the_notebook_is() -> None:
    for ascii, expected in ((True, rb"\"\u00fc\""), (False, '\\"ü\\"'.encode())):
        after = replace(read(dump(cell("# é\n", "'cuda'"), ascii=ascii)), "'cuda'", '"ü"')
        assert after is not None
        assert expected in after
        assert lines_of(after, 0)[1] == '"ü"'


def test_source_as_one_string() -> None:
    raw = dump(cell(source="a = 1\nb = 'cuda'\n"))
    assert lines_of(replace(read(raw), "'cuda'", "'neuron'"), 0) == "a = 1\nb = 'neuron'\n"
    assert lines_of(replace(read(raw), "b", "x\nb"), 0) == "a = 1\nx\nb = 'cuda'\n"
    assert lines_of(replace(read(raw), "1\nb", "2"), 0) == "a = 2 = 'cuda'\n"


def test_inserted_lines_become_lines_of_the_list() -> None:
    raw = dump(cell("a\n", "b\n", "c"))
    assert lines_of(replace(read(raw), "b", "x\ny\nb"), 0) == ["a\n", "x\n", "y\n", "b\n", "c"]
    src = read(raw)
    edit = src.to_disk(2, 2, "x\n")
    assert edit is not None
    assert lines_of(src.raw[: edit.start] + edit.text.encode() + src.raw[edit.end :], 0) == ["a\n", "x\n", "b\n", "c"]


def test_deleted_lines_leave_no_empty_ones() -> None:
    raw = dump(cell("a\n", "b\n", "c\n", "d"))
    assert lines_of(replace(read(raw), "b\n", ""), 0) == ["a\n", "c\n", "d"]
    assert lines_of(replace(read(raw), "b\nc\n", ""), 0) == ["a\n", "d"]
    assert lines_of(replace(read(raw), "a\nb", "x"), 0) == ["x\n", "c\n", "d"]
    assert lines_of(replace(read(raw), "\nb", " + b"), 0) == ["a + b\n", "c\n", "d"]


def test_deleted_last_line() -> None:
    raw = dump(cell("a\n", "b"), cell("c"))
    assert "".join(lines_of(replace(read(raw), "b\n", ""), 0)) == "a\n"


def test_no_edit_leaves_its_cell() -> None:
    src = read(dump(cell("a"), cell("b")))
    assert src.to_disk(0, 3, "x") is None


def test_byte_order_mark_and_crlf() -> None:
    raw = b"\xef\xbb\xbf" + dump(cell("a = 'cuda'\n", "b")).replace(b"\n", b"\r\n")
    after = replace(read(raw), "'cuda'", "1\n2")
    assert after == raw.replace(b"'cuda'", b'1\\n",\r\n    "2')


@given(st.lists(st.text(st.sampled_from("ab\"\\\t'é😀\x7f\u2028/{}"), max_size=8), min_size=1), st.data())
def test_any_edit_in_any_text(texts: list[str], data: st.DataObject) -> None:
    lines = [f"#{text}\n" for text in texts]
    raw = dump(cell(*lines), ascii=data.draw(st.booleans()), indent=data.draw(st.sampled_from([None, 1])))
    src = read(raw)
    text = "".join(lines)
    assert src.text.decode() == text + "\n"
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    new = data.draw(st.text(st.sampled_from('x"\\é😀\n'), max_size=5))
    edit = src.to_disk(len(text[:start].encode()), len(text[:end].encode()), new)
    assert edit is not None
    after = raw[: edit.start] + src.encode(edit.text) + raw[edit.end :]
    expected = json.loads(raw)
    found = json.loads(after)
    assert "".join(found["cells"][0].pop("source")) == text[:start] + new + text[end:]
    del expected["cells"][0]["source"]
    assert found == expected


# -- magics ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "masked"),
    [
        ("!pip install x", "0#ip install x"),
        ("%matplotlib inline", "0#atplotlib inline"),
        ("!", "0"),
        ("!é", "0##"),
        ("if x:\n    !ls", "if x:\n    0#s"),
        ("x = !ls -l", "x = 0#s -l"),
        ("a, b = %env HOME", "a, b = 0#nv HOME"),
        ("torch.cuda?", "0#rch.cuda?"),
        ("?torch", "0#orch"),
        ("%time x.cuda()", "0    ;x.cuda()"),
        ("%timeit -n 10 x.cuda()", "0            ;x.cuda()"),
        ("!a \\\n  b", "0# \\\n# b"),
        ("%%time\nx.cuda()", "#%time\nx.cuda()"),
        ("%%bash\nnvidia-smi\n\nls", "#%bash\n#vidia-smi\n\n#s"),
        ("%%html\n<b>", "#%html\n#b>"),
        ("%%writefile train.py\nx.cuda()\n!ls", "#%writefile train.py\nx.cuda()\n0#s"),
        ("%%writefile run.sh\nnvidia-smi", "#%writefile run.sh\n#vidia-smi"),
        ("%sql\nselect 1", "#sql\n#elect 1"),
        ("x = (5\n     % 3)", "x = (5\n     % 3)"),
        ("x = '''\n!ls\n%time\n'''", "x = '''\n!ls\n%time\n'''"),
        ("x = 5 \\\n  % 3", "x = 5 \\\n  % 3"),
        ("a != b", "a != b"),
        ("x = 'a?'", "x = 'a?'"),
        ("!echo it's (\nx = 1", "0#cho it's (\nx = 1"),
    ],
)
def test_masks(code: str, masked: str) -> None:
    found = mask(code.encode())
    assert found.text.decode() == masked
    assert len(found.text) == len(code.encode())
    ast.parse(masked)


@given(st.text(st.sampled_from("!%?= \n\\é'\"#(ax1"), max_size=30))
def test_masks_keep_every_byte_in_its_place(code: str) -> None:
    raw = code.encode()
    found = mask(raw)
    assert len(found.text) == len(raw)
    found.text.decode()
    changed = [i for i, (a, b) in enumerate(zip(raw, found.text, strict=True)) if a != b]
    assert all(any(start <= i < end for start, end in found.spans) for i in changed)


def test_fragments_of_other_languages() -> None:
    src = read(dump(cell("import os\n", "!pip install \\\n", "  flash-attn\n"), cell("%%bash\n", "nvidia-smi\n")))
    assert [(f.kind, f.text) for f in src.fragments] == [
        ("shell", b"pip install \\\n  flash-attn"),
        ("shell", b"nvidia-smi\n"),
    ]
    pip, _ = src.fragments
    assert src.locate(pip.start) == (2, 2, 0)
    assert mask(b"%%cu\n__global__").fragments[0].kind == "native"
    assert mask(b"%%writefile env/environment.yml\na: 1").fragments[0].kind == "conda"


def test_an_edit_lies_within_a_magic_or_outside() -> None:
    raw = dump(cell("!pip install flash-attn\n", "x = 1\n", "y"))
    src = read(raw)
    start = raw.index(b"flash-attn") - raw.index(b"!pip")
    edit = src.to_disk(start, start + 10, "timm")
    assert edit is not None
    assert raw[: edit.start] + edit.text.encode() + raw[edit.end :] == raw.replace(b"flash-attn", b"timm")
    assert src.to_disk(start, src.text.index(b"1"), "") is None


# -- what is wrong with notebooks -------------------------------------------------------------------


def test_a_cell_that_is_no_python_does_not_hide_the_others() -> None:
    src = read(dump(cell("a.cuda()"), cell("print 'x'\n", "if:"), cell("b.cuda()")))
    assert src.text == b"a.cuda()\n#rint 'x'\n#f:\nb.cuda()\n"
    (found,) = src.problems
    assert found.path == "a.ipynb"
    assert "cell 2 is not Python" in found.message  # as Jupyter counts them
    assert found.cell == 1
    assert "line 1" in found.message


@pytest.mark.parametrize(
    "metadata",
    [
        {"kernelspec": {"name": "ir", "language": "R"}},
        {"language_info": {"name": "julia"}},
    ],
)
def test_other_kernels_hold_no_python(metadata: dict[str, Any]) -> None:
    assert read(dump(cell("x.cuda()"), **metadata)).text == b""


def test_python_kernels() -> None:
    assert read(dump(cell("x"), kernelspec={"language": "python"}, language_info={"name": "ipython3"})).text == b"x\n"
    assert read(dump(cell("x"), cell("y", metadata={"vscode": {"languageId": "csharp"}}))).text == b"x\n"


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (b'{\n"cells": [\n{"a" 1}]}', 3),
        (b'{\n"cells": [\n', 3),
        (b"", 1),
        (b'{\n"cells": [{"source": ["a\n"]}]}', 2),
        (b'{"cells": []}\n<<<<<<< HEAD', 2),
        (b'{"cells": [{"source": ' + b"[" * 100_000, 1),
    ],
)
def test_broken_json(raw: bytes, line: int) -> None:
    found = problem(raw)
    assert "not valid JSON" in found.message
    assert found.line == line


@pytest.mark.parametrize("raw", [b"[]", b"1", b'{"worksheets": [{"cells": []}]}', b'{"cells": 3}'])
def test_not_a_notebook(raw: bytes) -> None:
    assert "not a notebook of format 4" in problem(raw).message


def test_not_utf8() -> None:
    found = problem(b'{"cells":\n ["\xe9"]}')
    assert "UTF-8" in found.message
    assert found.line == 2


@pytest.mark.parametrize("source", [None, 3, [1, None], {"a": "b"}])
def test_odd_sources_are_empty(source: Any) -> None:
    assert read(dump(cell(source=source), cell("x"))).text == b"\nx\n"


def test_odd_cells_are_passed_over() -> None:
    assert read(b'{"cells": [1, "x", {}, {"cell_type": "code"}, [{"cell_type": "code"}]]}').text == b"\n"


def test_lone_surrogates() -> None:
    raw = dump(cell("# SURROGATE\n", "x = 'cuda'")).replace(b"SURROGATE", b"\\ud800 \\u00e9")
    assert lines_of(replace(read(raw), "'cuda'", "1"), 0)[1] == "x = 1"
