"""Changed lines only: what counts as changed, and what is said where git cannot tell."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from porter.gate.changes import Changes, changed_only, parse
from porter.gate.git import GitError
from porter.model import Effort, Finding, Verdict
from tests.gate.repository import Repository

TEXT = "".join(f"line {n}\n" for n in range(1, 11))


def finding(path: str, line: int, end: int | None = None, cell: int | None = None, code: str = "PRT102") -> Finding:
    judged = (Verdict.AUTO, "moves", "", False, Effort.NONE, None, None, "")
    return Finding(path, line, 1, end or line, 2, cell, code, "cuda-method", None, *judged)


def changed(path: str, revision: str = "HEAD", *, merge_base: bool = False, lines: int = 12) -> list[int]:
    every = [finding(path, line) for line in range(1, lines + 1)]
    return [f.line for f in changed_only(every, ["."], revision, merge_base=merge_base)]


def edited(*lines: int) -> str:
    return "".join(f"line {n}{' edited' * (n in lines)}\n" for n in range(1, 11))


def test_lines_that_are_committed_staged_or_only_on_disk(repository: Repository) -> None:
    first = repository.commit(a=TEXT)
    repository.commit(a=edited(2))
    repository.write("a.py", edited(2, 5))
    repository.git("add", "-A")
    repository.write("a.py", edited(2, 5, 8, 9))
    assert changed("a.py") == [5, 8, 9]
    assert changed("a.py", first) == [2, 5, 8, 9]


def test_lines_put_in_and_taken_out(repository: Repository) -> None:
    repository.commit(a=TEXT)
    repository.write("a.py", "new\n" + TEXT.replace("line 4\nline 5\n", "") + "last")
    assert changed("a.py") == [1, 10]


def test_findings_of_several_lines(repository: Repository) -> None:
    repository.commit(a=TEXT)
    repository.write("a.py", edited(5))
    spans = [(1, 4), (4, 5), (5, 9), (6, 9), (1, 10)]
    found = changed_only([finding("a.py", *span) for span in spans], ["."], "HEAD")
    assert [(f.line, f.end_line) for f in found] == [(4, 5), (5, 9), (1, 10)]


def test_files_that_are_new(repository: Repository) -> None:
    repository.commit(a=TEXT)
    repository.write("untracked.py", TEXT)
    repository.write("sub/staged.py", TEXT)
    repository.git("add", "sub")
    repository.write(".gitignore", "ignored.py\n")
    repository.write("ignored.py", TEXT)
    for path in ("untracked.py", "sub/staged.py", "ignored.py"):
        assert changed(path, lines=10) == list(range(1, 11)), path
    assert changed("a.py") == []


def test_a_renamed_file_has_only_its_edited_lines(repository: Repository) -> None:
    repository.commit(a=TEXT, gone=TEXT.upper())
    repository.git("mv", "a.py", "b.py")
    repository.git("rm", "-q", "gone.py")
    repository.write("b.py", edited(3))
    assert changed("b.py") == [3]


def test_a_branch_counts_from_where_it_left_the_other(repository: Repository) -> None:
    repository.commit(a=TEXT)
    repository.git("checkout", "-q", "-b", "work")
    repository.commit(a=edited(2))
    repository.git("checkout", "-q", "-")
    repository.commit(a=edited(9))
    repository.git("branch", "trunk")
    repository.git("checkout", "-q", "work")
    repository.write("a.py", edited(2, 4))
    assert changed("a.py", "trunk", merge_base=True) == [2, 4]
    assert changed("a.py", "trunk") == [2, 4, 9]


@pytest.mark.parametrize(
    "name", ["with blank.py", 'quo"te.py', "back\\slash.py", "caf\u00e9.py", "tab\t.py", "b/ b.py"]
)
def test_names_that_git_quotes(repository: Repository, name: str) -> None:
    repository.write(name, TEXT)
    repository.commit()
    repository.write(name, edited(7))
    assert changed(name) == [7]


def test_lines_that_look_like_the_diff_around_them(repository: Repository) -> None:
    text = "-- a/a.py\n++ b/other.py\n@@ -1 +1 @@\ndiff --git a/x b/x\n"
    repository.commit(a=TEXT, other=TEXT)
    repository.write("a.py", text + TEXT + text)
    assert changed("a.py", lines=18) == [1, 2, 3, 4, 15, 16, 17, 18]
    assert changed("other.py") == []


def test_what_settings_and_attributes_would_hide(repository: Repository) -> None:
    repository.commit(a=TEXT)
    repository.write(".gitattributes", "*.py -diff\n")
    for name, value in {
        "diff.noprefix": "true",
        "diff.mnemonicPrefix": "true",
        "diff.interHunkContext": "9",
        "diff.context": "9",
        "diff.relative": "true",
        "color.ui": "always",
        "core.quotePath": "true",
        "diff.renames": "false",
    }.items():
        repository.git("config", name, value)
    repository.write("a.py", edited(1, 3))
    assert changed("a.py") == [1, 3]


def test_a_merge_that_is_not_finished(repository: Repository) -> None:
    repository.commit(a=TEXT)
    repository.git("checkout", "-q", "-b", "side")
    repository.commit(a=edited(1))
    repository.git("checkout", "-q", "-")
    repository.commit(a=TEXT.replace("line 1\n", "other\n"))
    repository.git("merge", "-q", "side", check=False)
    assert changed("a.py", lines=6) == [1, 3, 4, 5]  # <<<<<<<, other, =======, line 1 edited, >>>>>>>


def test_cells_of_a_notebook(repository: Repository) -> None:
    def write(*cells: list[str]) -> None:
        code = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": lines} for lines in cells]
        repository.write("n.ipynb", json.dumps({"cells": code, "metadata": {}, "nbformat": 4}, indent=1))

    write(["a\n", "b\n", "c"], ["d\n", "e"])
    repository.commit()
    write(["a\n", "b2\n", "c"], ["d\n", "e2"])
    every = [finding("n.ipynb", line, cell=cell) for cell, line in [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2)]]
    assert [(f.cell, f.line) for f in changed_only(every, ["."], "HEAD")] == [(0, 2), (1, 2)]


def test_a_file_that_does_not_parse_counts_if_anything_in_it_changed(repository: Repository) -> None:
    repository.commit(a=TEXT, b=TEXT)
    repository.write("a.py", edited(9))
    found = changed_only([finding("a.py", 2, code="PRT001"), finding("b.py", 2, code="PRT001")], ["."], "HEAD")
    assert [f.path for f in found] == ["a.py"]


def test_submodules(repository: Repository, tmp_path: Path) -> None:
    inner = Repository(tmp_path / "inner")
    inner.commit(m=TEXT)
    repository.git("submodule", "--quiet", "add", str(inner.folder), "sub")
    first = repository.commit(a=TEXT)
    nested = Repository.__new__(Repository)
    nested.folder = repository.folder / "sub"
    nested.commit(m=edited(2))
    repository.commit()
    nested.write("m.py", edited(2, 4))
    assert changed("sub/m.py", first) == [2, 4]
    assert changed("sub/m.py") == [4]
    repository.git("submodule", "--quiet", "add", str(inner.folder), "later")
    assert changed("later/m.py", lines=10) == list(range(1, 11))


def test_a_submodule_that_lacks_the_commit(repository: Repository, tmp_path: Path) -> None:
    inner = Repository(tmp_path / "inner")
    inner.commit(m=TEXT)
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    repository.git("commit", "-q", "-m", "x")
    Repository(repository.folder / "sub", str(inner.folder))
    with pytest.raises(GitError, match="submodule sub: lacks the commit 111111111111 to compare with"):
        changed("sub/m.py")


def test_shallow_clones(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = repository.commit(a=TEXT)
    repository.commit(a=edited(1))
    clone = Repository(tmp_path / "clone", "--depth=1", f"file://{repository.folder}")
    monkeypatch.chdir(clone.folder)
    with pytest.raises(GitError, match=r"this clone is shallow: `git fetch --unshallow` \(`fetch-depth: 0`"):
        Changes(["."], first)
    clone.git("checkout", "-q", "--orphan", "other")
    clone.commit(b=TEXT)
    with pytest.raises(GitError, match="have no commit in common: this clone is shallow"):
        Changes(["."], "main", merge_base=True)


def test_revisions_that_are_none(repository: Repository) -> None:
    with pytest.raises(GitError, match=r"`HEAD` is no commit of .*: there is no commit yet"):
        Changes(["."], "HEAD")
    repository.commit(a=TEXT)
    for revision in ("nowhere", "--output=x", "-h", "", "HEAD:a.py"):
        with pytest.raises(GitError, match=r"is no commit of .*: fetch it first"):
            Changes(["."], revision)
    assert not Path("x").exists()


def test_no_repository_and_no_git(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GitError, match="is in no git repository: there is no telling what has changed"):
        Changes([str(tmp_path)], "HEAD")
    repository.commit(a=TEXT)
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(GitError, match="git cannot be run: "):
        Changes(["."], "HEAD")


def test_a_file_name_may_end_in_a_line_feed() -> None:
    assert parse([b'+++ "b/a\\nb\\303\\251.py"\n', b"@@ -1 +2,2 @@\n"]) == {"a\nb\u00e9.py": [(2, 3)]}
