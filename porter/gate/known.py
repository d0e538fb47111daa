"""What a run makes of a baseline: findings as entries, the files that it speaks for, and the file written anew."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from porter.config import relative
from porter.gate.baseline import Entry, load
from porter.gate.changes import Changes
from porter.gate.git import Git, GitError, work_tree
from porter.gate.match import Matched, match
from porter.model import Finding, Problem

_RENAMES = (
    *("diff", "--name-status", "-z", "--find-renames", "--diff-filter=R", "--no-ext-diff", "--no-textconv"),
    *("--no-relative", "--ignore-submodules=all"),
)


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
    past = Past(file)
    return match(load(file), pairs, scope.covers, past.renames, past.touched)


def rewritten(file: Path, scope: Scope, findings: Iterable[Finding]) -> tuple[list[Entry], list[Entry]]:
    """The entries before, and those that the baseline has to have now. Raises BaselineError.

    Entries of files that the run did not speak for stay.
    """
    before = load(file, rewriting=True)
    now = [scope.entry(finding) for finding in findings]
    return before, sorted([*now, *(entry for entry in before if not scope.covers(entry.path))])


class Past:
    """What git knows of the time since the baseline was committed: nothing, where there is no such commit."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._folder = os.path.realpath(file.parent)
        self._top = work_tree(self._folder, {})

    def renames(self) -> Mapping[str, str]:
        """New paths of the files that were renamed, by the old ones; as the baseline has them."""
        if self._top is None or self._commit is None:
            return {}
        try:
            with Git(self._top).reading(*_RENAMES, self._commit, "--") as output:
                words = os.fsdecode(output.read()).split("\0")
        except GitError:
            return {}
        pairs = zip(words[1::3], words[2::3], strict=False)
        return {self._place(old): self._place(new) for old, new in pairs}

    def touched(self, finding: Finding) -> bool:
        """Whether a finding stands on a line that has changed."""
        try:
            return self._changes is not None and self._changes.touch(finding)
        except (GitError, OSError):
            return False

    @cached_property
    def _commit(self) -> str | None:
        """The last commit that changed the baseline."""
        if self._top is None:
            return None
        place = os.path.relpath(f"{self._folder}/{self._file.name}", self._top)
        return Git(self._top).try_ask("rev-list", "-1", "HEAD", "--", place) or None

    @cached_property
    def _changes(self) -> Changes | None:
        return Changes([self._folder], self._commit) if self._commit is not None else None

    def _place(self, path: str) -> str:
        return relative(f"{self._top}/{path}", self._folder)
