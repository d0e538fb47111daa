"""Reading files as they come: encodings, line ends, things that are no text and things that are no files."""

from __future__ import annotations

import ast
import codecs
import os
import tokenize
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from porter.model import Edit, Problem
from porter.sources import decode
from porter.sources.source import Source

NL = ["\n", "\r\n", "\r"]


def source(raw: bytes, kind: str = "python") -> Source:
    result = decode.decode(raw, "a.py", kind)
    assert isinstance(result, Source), result
    return result


def problem(raw: bytes, kind: str = "python") -> Problem:
    result = decode.decode(raw, "a.py", kind)
    assert isinstance(result, Problem)
    assert result.path == "a.py"
    return result


def edited(src: Source, start: int, end: int, text: str) -> bytes:
    edit = src.to_disk(start, end, text)
    assert edit is not None
    return src.raw[: edit.start] + src.encode(edit.text) + src.raw[edit.end :]


def test_plain_utf8_is_neither_copied_nor_moved() -> None:
    raw = 'x = "é"  # cuda\n'.encode()
    src = source(raw)
    assert src.text is src.raw is raw
    assert src.to_disk(4, 8, "1") == Edit(4, 8, "1")


def test_empty_file() -> None:
    src = source(b"")
    assert src.text == b""
    assert src.locate(0) == (1, 1, None)
    assert edited(src, 0, 0, "x\n") == b"x\n"


def test_byte_order_mark_is_not_text_and_stays() -> None:
    src = source(codecs.BOM_UTF8 + b"cuda\n")
    assert src.text == b"cuda\n"
    assert src.locate(0) == (1, 1, None)
    assert edited(src, 0, 4, "neuron") == codecs.BOM_UTF8 + b"neuron\n"


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("latin-1", "é"),
        ("iso-8859-15", "€"),
        ("gbk", "设备"),
        ("shift_jis", "装置"),
        ("euc-kr", "장치"),
        ("utf-8", "é"),
    ],
)
def test_declared_encoding_is_read_and_written(encoding: str, words: str) -> None:
    text = f"# -*- coding: {encoding} -*-\nx = '{words}'; y = 'cuda'\n"
    src = source(text.encode(encoding))
    assert src.text == text.encode()
    start = src.text.index(b"'cuda'")
    assert src.locate(start) == (2, text.splitlines()[1].index("'cuda'") + 1, None)
    assert edited(src, start, start + 6, f"'{words}'") == text.replace("'cuda'", f"'{words}'").encode(encoding)


def test_stateful_encoding_is_edited_faithfully_or_not_at_all() -> None:
    text = "# coding: iso-2022-jp\nx = '装置' + 'cuda'\n"
    src = source(text.encode("iso-2022-jp"))
    start = src.text.index(b"'cuda'")
    edit = src.to_disk(start, start + 6, "'neuron'")
    if edit is not None:
        after = src.raw[: edit.start] + src.encode(edit.text) + src.raw[edit.end :]
        assert after.decode("iso-2022-jp") == text.replace("cuda", "neuron")


def test_text_that_the_encoding_lacks_is_refused() -> None:
    src = source("# coding: latin-1\nx = 'é'\n".encode("latin-1"))
    assert src.to_disk(len(src.text), len(src.text), "# 设备\n") is None


@pytest.mark.parametrize(
    "head",
    [
        b"# -*- coding: latin-1 -*-\n",
        b"#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\n",
        b"\n# coding=latin-1-unix\n",
        b"x = 1\n# coding: latin-1\n",  # too late: the first line is no comment
        b"\n\n# coding: latin-1\n",  # too late: the third line
        b"# coding: UTF_8\n",
        b"'# coding: latin-1'\n",
        b"",
    ],
)
def test_cookie_is_found_where_python_finds_it(head: bytes) -> None:
    raw = head + b"x = 1\n"
    expected = codecs.lookup(tokenize.detect_encoding(BytesIO(raw).readline)[0]).name
    assert decode._encoding(raw, "python") == (expected, 0)


def test_undecodable_file_says_where_and_what_to_do() -> None:
    found = problem(b"x = 1\ny = '\xe9'\n")
    assert found.line == 2
    assert "UTF-8" in found.message
    assert "coding" in found.message


def test_unknown_encoding_is_named() -> None:
    assert "`klingon`" in problem(b"# coding: klingon\nx = '\xe9'\n").message


@pytest.mark.parametrize("name", [b"rot13", b"hex", b"utf-16", b"undefined"])
def test_encodings_that_are_none_for_source_code(name: bytes) -> None:
    problem(b"# coding: " + name + b"\nx = '\xe9'\n")


def test_nul_bytes() -> None:
    found = problem(b"x = 1\n\0\0")
    assert found.line == 2
    assert "NUL" in found.message


def test_utf16_requirements_as_powershell_writes_them() -> None:
    text = "flash-attn==2.0\r\ntorch\r\n"
    src = source(codecs.BOM_UTF16_LE + text.encode("utf-16-le"), "requirements")
    assert src.text == text.encode()
    assert edited(src, 0, 10, "x") == codecs.BOM_UTF16_LE + text.replace("flash-attn", "x").encode("utf-16-le")


def test_other_kinds_are_read_whatever_their_encoding() -> None:
    raw = b"// \xe9\xff caf\xe9\n__global__ void f();\n"
    src = source(raw, "native")
    start = src.text.index(b"__global__")
    assert src.locate(start) == (2, 1, None)
    assert edited(src, start, start + 10, "") == raw.replace(b"__global__", b"")


@pytest.mark.parametrize("newline", NL)
def test_inserted_lines_end_like_the_file(newline: str) -> None:
    src = source(f"a = 1{newline}b = 2{newline}".encode())
    start = src.text.index(b"b")
    assert (
        edited(src, start, start, "import x\nimport y\n")
        == newline.join(["a = 1", "import x", "import y", "b = 2", ""]).encode()
    )
    assert src.locate(start) == (2, 1, None)


def test_copied_crlf_is_not_doubled() -> None:
    src = source(b"a = f(\r\n  1)\r\n")
    assert edited(src, 4, 12, "g(\r\n  1)") == b"a = g(\r\n  1)\r\n"


def test_crlf_behind_a_byte_order_mark() -> None:
    src = source(codecs.BOM_UTF8 + b"a\r\nb\r\n")
    assert edited(src, 3, 3, "x\n") == codecs.BOM_UTF8 + b"a\r\nx\r\nb\r\n"


@given(st.lists(st.sampled_from(["x", "'é'", "#\x0b\x0c\x1c\u2028 ", "\n", "\r\n", "\r", " "])).map("".join))
def test_lines_are_those_of_ast(text: str) -> None:
    raw = text.encode()
    src = source(raw)
    for offset in range(len(raw) + 1):
        line, column, _ = src.locate(offset)
        before = raw[:offset].decode("utf-8", "ignore")
        started = before.replace("\r\n", "\n").replace("\r", "\n")
        if offset and raw[offset - 1 : offset + 1] == b"\r\n":
            continue  # between the two bytes of one newline
        assert line == started.count("\n") + 1
        assert column >= 1


def test_positions_agree_with_ast() -> None:
    text = "a = 'ä'\r\nb = '€', c\rd\nif d:\n\tx . cuda()"
    src = source(text.encode())
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.expr):
            offset = src.line_starts[node.lineno - 1] + node.col_offset
            assert src.locate(offset)[0] == node.lineno
            segment = ast.get_source_segment(text, node)
            assert segment is not None
            assert src.text[offset:].decode().startswith(segment[0])


def test_many_lines() -> None:
    src = source(b"x.cuda()\n" * 50_000)
    assert src.locate(9 * 49_999 + 2) == (50_000, 3, None)


# -- files -----------------------------------------------------------------------------------------


def read_problem(path: Path) -> Problem:
    result = decode.read(path, path.name, "python")
    assert isinstance(result, Problem)
    return result


def test_read(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"x = 1\n")
    result = decode.read(tmp_path / "a.py", "a.py", "python")
    assert isinstance(result, Source)
    assert (result.path, result.raw, result.kind) == ("a.py", b"x = 1\n", "python")


def test_deleted_meanwhile(tmp_path: Path) -> None:
    assert "not there" in read_problem(tmp_path / "gone.py").message


def test_link_loop(tmp_path: Path) -> None:
    (tmp_path / "a.py").symlink_to("b.py")
    (tmp_path / "b.py").symlink_to("a.py")
    assert "cannot be read" in read_problem(tmp_path / "a.py").message


def test_directory(tmp_path: Path) -> None:
    (tmp_path / "a.py").mkdir()
    assert "not a regular file" in read_problem(tmp_path / "a.py").message


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFO on this system")
def test_fifo_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.py")
    assert "not a regular file" in read_problem(tmp_path / "a.py").message


def test_device_is_no_file() -> None:
    assert "not a regular file" in read_problem(Path(os.devnull)).message


def test_too_large(tmp_path: Path) -> None:
    with (tmp_path / "a.py").open("wb") as file:
        file.truncate(decode.MAX_BYTES + 1)
    assert "too large (10 MB" in read_problem(tmp_path / "a.py").message
