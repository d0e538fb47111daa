"""The file of a baseline: what is read, what is refused and in which words, and how it merges."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from porter.gate.baseline import BaselineError, Entry, dump, load
from tests.gate.repository import Repository

FILE = Path("porter-baseline.txt")
A, B, C = (Entry(path, "PRT102", "torch.Tensor.cuda", f"{path[0]}.cuda()") for path in ("a.py", "b.py", "c.py"))


def put(text: str) -> None:
    FILE.write_text(text, encoding="utf-8")


def error() -> str:
    with pytest.raises(BaselineError) as caught:
        load(FILE)
    return str(caught.value)


def test_one_sorted_line_for_each_entry() -> None:
    text = dump([B, A, A])
    head, *_, first, second, third = text.splitlines()
    assert head == "# porter baseline 1"
    assert first == second == "a.py\tPRT102\ttorch.Tensor.cuda\ta.cuda()"
    assert third.startswith("b.py\t")


fields = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
paths = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1), min_size=1, max_size=3)


@given(paths, fields, fields)
def test_what_is_written_is_read(parts: list[str], symbol: str, text: str) -> None:
    path = "/".join(f"{part}_" for part in parts)
    entry = Entry(path, "PRT101", symbol, text)
    FILE.write_bytes(dump([entry]).encode())
    assert load(FILE) == [entry]


@pytest.mark.parametrize("path", ["#odd.py", "<<<<<<< a.py", "with blank.py", "-x.py", "=======", "back\\slash.py"])
def test_names_that_look_like_something_else(path: str) -> None:
    put(dump([A._replace(path=path)]))
    assert load(FILE) == [A._replace(path=path)]


def test_other_line_ends_marks_and_orders_are_read() -> None:
    lines = dump([A, B]).splitlines()
    FILE.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*lines[:3], lines[4], "", "# ours", lines[3]]).encode())
    assert load(FILE) == [B, A]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "porter-baseline.txt: is no baseline: it has no line `# porter baseline 1`"),
        ("import torch\n", "is no baseline"),
        ("# porter baseline 2\n", "is a baseline of format 2, and this porter reads 1; upgrade porter"),
        ("# porter baseline 0\n", "is a baseline of format 0, and this porter reads 1; write it anew"),
        ("# porter baseline 1\na.py PRT102 x\n", "porter-baseline.txt:2: is not file, rule, symbol and code with tabs"),
        ("# porter baseline 1\n<<<<<<< HEAD\n", "porter-baseline.txt:2: holds the marks of a merge conflict"),
        ("# porter baseline 1\n=======\n", "holds the marks of a merge conflict; keep the lines of both sides"),
    ],
)
def test_what_is_no_baseline_is_refused(text: str, words: str) -> None:
    put(text)
    assert words in error()


def test_files_that_cannot_be_read() -> None:
    assert "is not there; write it with `porter check --write-baseline`" in error()
    FILE.write_bytes(b"# porter baseline 1\n\xff\n")
    assert "is not UTF-8" in error()
    FILE.unlink()
    FILE.mkdir()
    assert "cannot be read: not a regular file" in error()


def test_both_sides_of_a_conflict_count_where_the_file_is_written_anew() -> None:
    head, *_ = text = dump([A, B]).splitlines()
    put("\n".join([head, "<<<<<<< ours", text[-2], "=======", text[-1], ">>>>>>> theirs", ""]))
    assert load(FILE, rewriting=True) == [A, B]


def test_branches_that_change_different_files_merge(repository: Repository) -> None:
    many = [Entry(f"{name}.py", "PRT102", "s", text) for name in "abcdefgh" for text in ("x", "y")]

    def baseline(*entries: Entry) -> None:
        put(dump(entries))
        repository.commit()

    baseline(*many)
    repository.git("checkout", "-q", "-b", "side")
    baseline(*(e for e in many if e.path != "a.py"), Entry("h.py", "PRT102", "s", "z"))
    repository.git("checkout", "-q", "-")
    added = Entry("c.py", "PRT101", "s", "z")
    baseline(*(e for e in many if e.path != "e.py"), added)
    repository.git("merge", "-q", "side")
    expected = [e for e in many if e.path not in ("a.py", "e.py")] + [added, Entry("h.py", "PRT102", "s", "z")]
    assert FILE.read_text() == dump(expected)
