"""What a run makes of a baseline: findings as entries, the files that it speaks for, and the file written anew."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from porter.config import relative
from porter.gate.baseline import Entry, load
from porter.gate.git import Git, GitError, work_tree
from porter.gate.match import Matched, match
from porter.model import Finding, Problem


class Scope:
    """The files that one run speaks for, by their paths in a baseline."""

    def __init__(self, file: Path, paths: Sequence[str], problems: Iterable[Problem] = ()) -> None:
        """``paths`` were looked at, but for what ``problems`` name."""
        self.folder = os.path.realpath(file.parent)
        self._places: dict[str, str] = {}
        self._paths = [self.place(path) for path in paths]
        self._unread = {self.place(problem.path) for problem in problems}

    def place(self, path: str) -> str:
        """A path as the baseline has it."""
        if path not in self._places:
            folder, name = os.path.split(path)  # a link is a file of its own, links above it are not
            self._places[path] = relative(f"{os.path.realpath(folder or os.curdir)}/{name}", self.folder)
        return self._places[path]

    def covers(self, place: str) -> bool:
        """Whether a finding in this file would have been found, or its file is gone."""
        if place in self._unread:
            return False
        if any(path in (".", place) or place.startswith(f"{path}/") for path in self._paths):
            return True
        return not os.path.lexists(f"{self.folder}/{place}")

    def entry(self, finding: Finding) -> Entry:
        """The entry that stands for a finding."""
        symbol = " ".join((finding.symbol or "").split())
        return Entry(self.place(finding.path), finding.code, symbol, finding.text)


def compare(file: Path, scope: Scope, findings: Iterable[Finding]) -> Matched:
    """What of ``findings`` the baseline does not know, and its entries without a finding. Raises BaselineError."""
    pairs = ((scope.entry(finding), finding) for finding in findings)
    return match(load(file), pairs, scope.covers, lambda: renamed(file))


def rewritten(file: Path, scope: Scope, findings: Iterable[Finding]) -> tuple[list[Entry], list[Entry]]:
    """The entries before, and those that the baseline has to have now. Raises BaselineError.

    Entries of files that the run did not speak for stay.
    """
    before = load(file, rewriting=True)
    now = [scope.entry(finding) for finding in findings]
    return before, sorted([*now, *(entry for entry in before if not scope.covers(entry.path))])


def renamed(file: Path) -> Mapping[str, str]:
    """New paths of the files that git calls renamed since the commit that wrote the baseline, by the old ones.

    Empty where git cannot tell.
    """
    folder = os.path.realpath(file.parent)
    top = work_tree(folder, {})
    if top is None:
        return {}
    git = Git(top)
    commit = git.try_ask("rev-list", "-1", "HEAD", "--", os.path.relpath(f"{folder}/{file.name}", top))
    if not commit:
        return {}
    try:
        with git.reading(
            *("diff", "--name-status", "-z", "--find-renames", "--diff-filter=R", "--no-ext-diff", "--no-textconv"),
            *("--no-relative", "--ignore-submodules=all", commit, "--"),
        ) as output:
            words = os.fsdecode(output.read()).split("\0")
    except GitError:
        return {}
    return {
        relative(f"{top}/{old}", folder): relative(f"{top}/{new}", folder)
        for old, new in zip(words[1::3], words[2::3], strict=False)
    }
