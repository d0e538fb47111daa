"""Changed lines only: what differs between a revision and the files as they lie on disk.

That is everything since the revision: commits, what is staged, what is not, and files that git does not know yet.
A submodule is compared with the commit that the revision has recorded for it.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

from porter.gate.git import Git, GitError, work_tree
from porter.model import Finding
from porter.report.disk import Disk

_HUNK = re.compile(rb"@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_ESCAPE = re.compile(rb"\\(?:([0-7]{3})|(.))")
_LETTERS = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_DIFF = (
    *("diff", "--unified=0", "--inter-hunk-context=0", "--find-renames", "--text", "--no-color", "--no-ext-diff"),
    *("--no-textconv", "--no-relative", "--src-prefix=a/", "--dst-prefix=b/", "--ignore-submodules=all"),
)

Lines = list[tuple[int, int]]  # first and last of each run, from 1, in order


def changed_only(
    findings: Iterable[Finding], paths: Sequence[str], revision: str, *, merge_base: bool = False
) -> list[Finding]:
    """The findings on lines that have changed since ``revision`` in the work tree that holds each of ``paths``.

    With ``merge_base``, since that revision and HEAD parted. Raises `GitError`, also where there is no such commit.
    """
    changes = Changes(paths, revision, merge_base)
    return [finding for finding in findings if changes.touch(finding)]


class Changes:
    """What has changed since a revision, asked of git for one work tree after the other as files of it come up."""

    def __init__(self, paths: Sequence[str], revision: str, merge_base: bool = False) -> None:
        """Raises GitError where a path is in no work tree, or has no such commit."""
        self._tops: dict[str, str | None] = {}
        self._bases: dict[str, str | None] = {}  # by work tree: what to compare with; None: all of it is new
        self._lines: dict[str, dict[str, Lines | None]] = {}  # by work tree and file; None: all of it is new
        self._disk: Disk | None = None  # the last notebook
        for path in paths:
            top = self._top(_folder(os.path.realpath(path)))
            if top is None:
                raise GitError(f"{path} is in no git repository: there is no telling what has changed")
            if top not in self._bases:
                self._bases[top] = _base(Git(top), revision, merge_base)

    def touch(self, finding: Finding) -> bool:
        """Whether a line of the finding has changed, or is new. Raises GitError."""
        path = os.path.realpath(finding.path)
        top = self._top(os.path.dirname(path))  # noqa: PTH120
        lines = self._changed(top, path) if top is not None else None
        if not lines:
            return lines is None
        if finding.code == "PRT001":  # what does not parse fails as a whole, wherever the error shows
            return True
        first, last = self._on_disk(finding)
        at = bisect_left(lines, first, key=lambda run: run[1])
        return at < len(lines) and lines[at][0] <= last

    def _on_disk(self, finding: Finding) -> tuple[int, int]:
        """First and last line of a finding in the file as it lies on disk."""
        if finding.cell is None:
            return finding.line, finding.end_line
        if self._disk is None or self._disk.path != finding.path:
            self._disk = Disk(finding.path, Path(finding.path).read_bytes())
        region = self._disk.region(finding)
        return region.line, region.end_line

    def _top(self, folder: str) -> str | None:
        return work_tree(folder, self._tops)

    def _changed(self, top: str, path: str) -> Lines | None:
        """The lines of a file that have changed; None for all of them."""
        base = self._base_of(top)
        if base is None:
            return None
        if top not in self._lines:
            with Git(top).reading(*_DIFF, base, "--") as diff:
                self._lines[top] = {f"{top}/{name}": lines for name, lines in parse(diff).items()}
        known = self._lines[top]
        if path not in known:
            inside = os.path.relpath(path, top)
            known[path] = [] if Git(top).ask("ls-files", "-z", "--", inside) else None
        return known[path]

    def _base_of(self, top: str) -> str | None:
        """What to compare a work tree with: of a submodule, the commit that the one around it had then."""
        if top not in self._bases:
            around = self._top(os.path.dirname(top))  # noqa: PTH120
            base = self._base_of(around) if around is not None else None
            self._bases[top] = _recorded(around, base, top) if around is not None and base is not None else None
        return self._bases[top]


def parse(diff: IO[bytes] | Iterable[bytes]) -> dict[str, Lines | None]:
    """The changed lines of each file, by its path in the work tree, from a diff without context."""
    found: dict[str, Lines | None] = {}
    lines: Lines = []
    body = 0  # lines of a hunk that are still to come
    for line in diff:
        if body:
            body -= not line.startswith(b"\\")
        elif line.startswith(b"+++ "):
            lines = []
            found[_name(line[4:])] = lines
        elif match := _HUNK.match(line):
            removed, first, added = (int(number) if number is not None else 1 for number in match.groups())
            body = removed + added
            if added:
                lines.append((first, first + added - 1))
    return found


def _name(written: bytes) -> str:
    """A path as a diff has it: behind ``b/``, quoted where it must be, with a tab at the end where it has blanks."""
    name = written.rstrip(b"\n").removesuffix(b"\t")
    if name.startswith(b'"'):
        name = _ESCAPE.sub(lambda m: bytes([int(m[1], 8)]) if m[1] else _LETTERS.get(m[2], m[2]), name[1:-1])
    return os.fsdecode(name.removeprefix(b"b/"))


def _base(git: Git, revision: str, merge_base: bool) -> str:
    """The commit to compare with."""
    commit = git.commit(revision)
    if commit is None:
        git.ask("rev-parse", "--git-dir")  # what is wrong with the repository comes first
        advice = "fetch it first"
        if git.shallow:
            advice = f"this clone is shallow: {_DEEPEN}"
        elif git.commit("HEAD") is None:
            advice = "there is no commit yet"
        raise GitError(f"`{revision}` is no commit of {git.folder}: {advice}")
    if not merge_base:
        return commit
    base = git.try_ask("merge-base", commit, "HEAD")
    if base is None:
        why = f"this clone is shallow: {_DEEPEN}" if git.shallow else "name the branch that this one was made from"
        raise GitError(f"`{revision}` and HEAD have no commit in common: {why}")
    return base


_DEEPEN = "`git fetch --unshallow` (`fetch-depth: 0` of actions/checkout) brings the older commits"


def _recorded(around: str, base: str, top: str) -> str | None:
    """The commit of the submodule ``top`` in the commit ``base`` of the work tree around it; None if it was none."""
    entry = Git(around).ask("ls-tree", "-z", base, "--", os.path.relpath(top, around))
    words = os.fsdecode(entry).split()
    if len(words) < 3 or words[1] != "commit":
        return None
    if Git(top).commit(words[2]) is None:
        raise GitError(f"submodule {os.path.relpath(top)}: lacks the commit {words[2][:12]} to compare with: fetch it")
    return words[2]


def _folder(path: str) -> str:
    return path if os.path.isdir(path) else os.path.dirname(path)  # noqa: PTH112, PTH120
