"""Python files that the first pass did not look into: looked into when another file's question leads there."""

from __future__ import annotations

import re
from collections.abc import Iterable

from porter.index.analyse import Lens
from porter.index.build import index
from porter.index.facts import Facts, Task
from porter.index.summary import Summary
from porter.model import Problem
from porter.sources import decode

_MENTIONING = 8  # files that one name is followed into


class Unseen:
    """The files without CUDA of one run, by what is shown of their paths."""

    def __init__(self, files: Iterable[tuple[Task, Facts]], lens: Lens) -> None:
        """``files`` are all files of the run."""
        self._lens = lens
        self._tasks = {task.display: task for task, facts in files if task.kind == "python" and facts.summary is None}
        self._placing = [task for task, facts in files if facts.placing and task.display in self._tasks]

    def load(self, display: str) -> Summary | None:
        """What a file tells the others; None where it cannot be read, or was looked into before."""
        task = self._tasks.get(display)
        raw = task.read() if task is not None else None
        source = decode.decode(raw, display, "python") if isinstance(raw, bytes) else None
        if source is None or isinstance(source, Problem):
            return None
        return index(source, self._lens.watch, self._lens.types).summary

    def mentioning(self, name: str) -> list[str]:
        """The files that hold ``name`` as an attribute or key, and may put something on a device; the first few."""
        word = re.compile(rb"[.\"']" + name.encode() + rb"\b")
        found: list[str] = []
        for task in self._placing:
            raw = task.read()
            if isinstance(raw, bytes) and word.search(raw):
                found.append(task.display)
                if len(found) == _MENTIONING:
                    break
        return found
