"""Patches for people to look at, and files changed in place."""

from __future__ import annotations

from pathlib import Path

import pytest

from porter.cli.write import WriteError, replace
from porter.report.paint import Paint
from porter.report.patch import colorize
from porter.rewrite.patch import Change, unified


def test_colours_add_nothing_but_codes() -> None:
    patch = unified("a.py", b"caf\xe9\nx\n", [Change(5, 6, b"y")])
    assert colorize(patch, Paint(False)) == patch
    painted = colorize(patch, Paint(True))
    assert b"\x1b[31m-x\x1b[0m\n" in painted
    assert b" caf\xe9\n" in painted


def test_replace_keeps_mode_and_link() -> None:
    file, link = Path("a.py"), Path("link.py")
    file.write_bytes(b"a")
    file.chmod(0o755)
    link.symlink_to(file)
    replace(link, b"a", b"b", within=Path())
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
        replace(file, b"a", b"b", within=Path())
    assert file.read_bytes() == content


def test_replace_stays_in_its_folder() -> None:
    outside, link = Path("outside.py"), Path("folder", "link.py")
    link.parent.mkdir()
    outside.write_bytes(b"a")
    link.symlink_to(outside.absolute())
    with pytest.raises(WriteError, match="a link to a file outside"):
        replace(link, b"a", b"b", within=link.parent)
    assert outside.read_bytes() == b"a"


def test_replace_of_a_file_that_is_gone() -> None:
    with pytest.raises(WriteError, match="cannot be written: no such file"):
        replace(Path("a.py"), b"a", b"b", within=Path())
