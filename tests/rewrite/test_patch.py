"""Patches against git itself, and against difflib."""

from __future__ import annotations

import difflib
import itertools
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from porter.rewrite.apply import apply
from porter.rewrite.patch import Change, composed, splice, unified
from tests.rewrite.helpers import finding, source_of
from tests.rewrite.test_apply import notebook


@pytest.fixture(autouse=True)
def in_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "-q"], check=True)


def applied_by_git(path: str, before: bytes, patch: bytes) -> bytes:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(before)
    file.chmod(0o755)
    subprocess.run(["git", "apply", "--check", "-"], input=patch, check=True, capture_output=True)
    subprocess.run(["git", "apply", "-"], input=patch, check=True, capture_output=True)
    assert file.stat().st_mode & 0o777 == 0o755
    return file.read_bytes()


def change(before: bytes, old: bytes, new: bytes) -> Change:
    at = before.index(old)
    return Change(at, at + len(old), new)


@pytest.mark.parametrize(
    ("before", "old", "new"),
    [
        (b"a\nb\nc\n", b"b", b"B"),
        (b"a\r\nb\r\nc\r\n", b"b", b"B"),
        (b"\xef\xbb\xbfa\nb\n", b"a", b"A"),
        (b"caf\xe9\nb\n", b"b", b"B"),
        (b"a\nb", b"b", b"B"),
        (b"a\nb", b"b", b"b\n"),
        (b"a\nb\n", b"b\n", b"b"),
        (b"a\nb", b"a\n", b""),
        (b"a\nb\n", b"a\nb\n", b""),
        (b"a\nb\n", b"", b"import torch\n"),
        (b"", b"", b"a\n"),
        (b"a\x0cb\x1c\rc\nd\n", b"d", b"D"),
        (notebook("x = 'cuda'\n", "y"), b"cuda", b"neuron"),
    ],
)
def test_git_applies_it(before: bytes, old: bytes, new: bytes) -> None:
    one = change(before, old, new)
    assert applied_by_git("m.py", before, unified("m.py", before, [one])) == splice(before, [one])


@pytest.mark.parametrize(
    "path", ["with space/a b.py", "naïve.py", 'quo"te.py', "back\\slash.py", "tab\tnew\n.py", "b/a.py"]
)
def test_git_finds_the_file(path: str) -> None:
    assert applied_by_git(path, b"a\n", unified(path, b"a\n", [Change(0, 1, b"b")])) == b"b\n"


def test_lines_between_two_insertions_are_no_change() -> None:
    before = b"a\nb\nc\nd\n"
    patch = unified("x.py", before, [Change(2, 2, b"new\n"), Change(5, 5, b"\nother")])
    assert patch.splitlines()[4:] == [b" a", b"+new", b" b", b" c", b"+other", b" d"]


def test_lines_that_stay_are_no_hunk() -> None:
    before = b"a\nb\nc\n"
    assert unified("m.py", before, []) == b""
    assert unified("m.py", before, [Change(0, 2, b"a\n")]) == b""
    patch = unified("m.py", before, [Change(2, 4, b"")])
    assert patch.splitlines()[3:] == [b"@@ -1,3 +1,2 @@", b" a", b"-b", b" c"]


@st.composite
def changed_files(draw: st.DrawFn) -> tuple[bytes, list[Change]]:
    lines = draw(st.lists(st.sampled_from([b"a\n", b"b\r\n", b"\n", b"c\xff\n"]), max_size=40))
    before = b"".join(lines) + draw(st.sampled_from([b"", b"end"]))
    points = sorted(draw(st.sets(st.integers(0, len(before)), max_size=10)))
    news = st.sampled_from([b"", b"x", b"x\ny", b"\n"])
    return before, [Change(a, b, draw(news)) for a, b in zip(points[::2], points[1::2], strict=False)]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changed_files())
def test_git_makes_of_any_patch_what_porter_makes(case: tuple[bytes, list[Change]]) -> None:
    before, changes = case
    after = splice(before, changes)
    patch = unified("m.py", before, changes)
    assert bool(patch) == (before != after)
    if patch:
        assert applied_by_git("m.py", before, patch) == after


def changes_of(draw: st.DrawFn, size: int) -> list[Change]:
    points = sorted(draw(st.lists(st.integers(0, size), max_size=8)))
    news = st.sampled_from([b"", b"x", b"yy\n", b"zzzzzz"])
    return [Change(a, b, draw(news)) for a, b in zip(points[::2], points[1::2], strict=False)]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_changes_after_changes_are_changes(data: st.DataObject) -> None:
    before = b"0123456789abcdefghij"
    first = data.draw(st.composite(changes_of)(len(before)))
    middle = splice(before, first)
    second = data.draw(st.composite(changes_of)(len(middle)))
    both = composed(before, first, second)
    assert splice(before, both) == splice(middle, second)
    assert all(a.end <= b.start for a, b in itertools.pairwise(both))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(st.integers(0, 59), min_size=1, max_size=12))
def test_hunks_are_those_of_difflib(rows: set[int]) -> None:
    lines = [b"line %d\n" % i for i in range(60)]
    before = b"".join(lines)
    starts = [sum(map(len, lines[:i])) for i in range(60)]
    changes = [Change(starts[i], starts[i] + 4, b"LINE") for i in sorted(rows)]
    patch = unified("m.py", before, changes).decode().splitlines(keepends=True)
    old, new = before.decode().splitlines(keepends=True), splice(before, changes).decode().splitlines(keepends=True)
    assert patch[1:] == list(difflib.unified_diff(old, new, "a/m.py", "b/m.py"))


def test_what_apply_did_is_what_git_does() -> None:
    raw = "# coding: latin-1\r\nx = 'é cuda'\r\ny = 1".encode("latin-1")
    source = source_of(raw)
    at = source.text.index(b"cuda")
    edit = source.to_disk(at, at + 4, "neuron")
    assert edit is not None
    result = apply(source, [finding([(edit.start, edit.end, edit.text)])], [None])
    assert applied_by_git("m.py", raw, unified("m.py", raw, result.changes)) == result.after
