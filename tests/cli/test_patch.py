"""Patches that git takes, and files changed in place."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from porter.cli.write import WriteError, replace
from porter.report.paint import Paint
from porter.report.patch import colorize, unified


def apply(path: str, before: bytes, after: bytes) -> bytes:
    """What git makes of ``before`` with our patch."""
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(before)
    subprocess.run(["git", "apply", "-"], input=unified(path, before, after), check=True, capture_output=True)
    return file.read_bytes()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"a\nb\nc\n", b"a\nB\nc\n"),
        (b"a\r\nb\r\nc\r\n", b"a\r\nB\r\nc\r\n"),
        (b"a\nb", b"a\nB"),
        (b"a\nb", b"a\nb\n"),
        (b"a\n", b"import torch\na\n"),
        (b"a\nb\n", b"a\n"),
        (b"\xef\xbb\xbfx = 1\n", b"\xef\xbb\xbfx = 2\n"),
        (b"caf\xe9\nb\n", b"caf\xe9\nB\n"),
        (b"a\x0cb\x1c\nc\n", b"a\x0cb\x1c\nC\n"),
        (b"1\n" * 30 + b"x\n" + b"2\n" * 30 + b"y\n", b"1\n" * 30 + b"X\n" + b"2\n" * 30 + b"Y\n"),
    ],
    ids=["plain", "crlf", "no-newline", "newline-added", "first", "last-gone", "bom", "latin-1", "odd-breaks", "two"],
)
def test_git_applies_it(before: bytes, after: bytes) -> None:
    assert apply("a.py", before, after) == after


@pytest.mark.parametrize("path", ["with space/a b.py", "naïve.py", 'quo"te.py', "back\\slash.py", "tab\t.py"])
def test_git_finds_the_file(path: str) -> None:
    assert apply(path, b"a\n", b"b\n") == b"b\n"


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([b"a\n", b"b\n", b"c\r\n", b"\n"]), min_size=1, max_size=30), st.data())
def test_git_applies_any_edit(lines: list[bytes], data: st.DataObject) -> None:
    before = b"".join(lines)
    at = data.draw(st.integers(0, len(before)))
    after = before[:at] + b"neuron" + before[at + data.draw(st.integers(0, 3)) :]
    assert apply("a.py", before, after) == after


def test_nothing_changed_is_no_patch() -> None:
    assert unified("a.py", b"x\n", b"x\n") == b""


def test_colours_add_nothing_but_codes() -> None:
    patch = unified("a.py", b"caf\xe9\nx\n", b"caf\xe9\ny\n")
    assert colorize(patch, Paint(False)) == patch
    painted = colorize(patch, Paint(True))
    assert b"\x1b[31m-x\x1b[0m\n" in painted
    assert b" caf\xe9\n" in painted


def test_large_file_is_quick() -> None:
    before = b"x = 1\n\n" * 25_000
    after = before.replace(b"x = 1", b"y = 1", 1)[:-6] + b"z = 1\n"
    assert apply("a.py", before, after) == after


def test_replace_keeps_mode_and_link() -> None:
    file, link = Path("a.py"), Path("link.py")
    file.write_bytes(b"a")
    file.chmod(0o755)
    link.symlink_to(file)
    replace(link, b"a", b"b")
    assert file.read_bytes() == b"b"
    assert file.stat().st_mode & 0o777 == 0o755
    assert link.is_symlink()
    assert {path.name for path in Path().iterdir()} == {"a.py", "link.py"}


@pytest.mark.parametrize(
    ("content", "mode", "message"), [(b"new", 0o644, "has changed"), (b"a", 0o444, "is read-only")]
)
def test_replace_refuses(content: bytes, mode: int, message: str) -> None:
    file = Path("a.py")
    file.write_bytes(content)
    file.chmod(mode)
    with pytest.raises(WriteError, match=message):
        replace(file, b"a", b"b")
    assert file.read_bytes() == content


def test_replace_of_a_file_that_is_gone() -> None:
    with pytest.raises(WriteError, match="cannot be written: no such file"):
        replace(Path("a.py"), b"a", b"b")
