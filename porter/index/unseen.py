"""Python files that the first pass did not look into: looked into when another file's question leads there."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import cached_property

from porter.index.facts import Depth, Facts, Task
from porter.index.summary import Summary
from porter.sources.prefilter import mentions

# The first pass, for files and the digests of their contents.
FirstPass = Callable[[Sequence[Task], Sequence[bytes]], Sequence[Facts]]

_MENTIONING = 8  # files that one name is followed into
_FROM = re.compile(rb"^[ \t]*from[ \t]+([.\w]+)[ \t]+import[ \t]+(\([^)]*|[^\n#;]*)", re.MULTILINE)
_WORD = re.compile(rb"\w+")
_DECLARING = re.compile(rb"\.(?:add_argument|add_option|option)\(")
_OPTION = re.compile(rb"[\"']--([a-z][\w-]*)[\"']")


class Unseen:
    """The files without CUDA of one run, by what is shown of their paths."""

    def __init__(self, files: Sequence[tuple[Task, Facts]], again: FirstPass) -> None:
        """``files`` are all files of the run."""
        self._again = again
        self._files = {t.display: (t, facts) for t, facts in files if t.kind == "python" and facts.summary is None}
        self._told: set[str] = set()
        self._placing = [task for task, facts in files if facts.placing and task.display in self._files]

    def load(self, display: str, depth: Depth = "whole") -> Summary | None:
        """What a file tells the others; None where it cannot be read, or was looked into before."""
        if display not in self._files:
            return None
        task, facts = self._files[display]
        return self._again([task._replace(asked=depth)], [facts.digest])[0].summary

    def importing(self, names: Iterable[tuple[str, str]]) -> Iterator[Summary]:
        """What those files tell that seem to import one of ``names``, given with its module; each file once."""
        pairs = {(module.rpartition(".")[2].encode(), name.encode()) for module, name in names}
        words = {name for _, name in pairs}
        chains = [module + b"." + name for module, name in pairs]
        for task in [task for display, (task, _) in self._files.items() if display not in self._told]:
            raw = task.read()
            if not isinstance(raw, bytes) or not mentions(raw, words):
                continue
            if any(chain in raw for chain in chains) or _imports(raw, pairs):
                self._told.add(task.display)
                if (summary := self.load(task.display)) is not None:
                    yield summary

    @cached_property
    def options(self) -> dict[str, str]:
        """The options of command lines that the files seem to declare, as attributes, each with one of the files."""
        found: dict[str, str] = {}
        for display, (task, _) in self._files.items():
            raw = task.read()
            if isinstance(raw, bytes) and _DECLARING.search(raw):
                names = (match[1].replace(b"-", b"_").decode() for match in _OPTION.finditer(raw))
                found.update((name, display) for name in names if name not in found)
        return found

    def mentioning(self, name: str, called: bool) -> list[str]:
        """The files with a call of ``name``, or with it as attribute or key, that may put something on a device.

        The first few of them.
        """
        text = name.encode()
        word = re.compile(rb"\b" + text + rb"\(" if called else rb"[.\"']" + text + rb"\b")
        found: list[str] = []
        for task in self._placing:
            raw = task.read()
            if isinstance(raw, bytes) and text in raw and word.search(raw):
                found.append(task.display)
                if len(found) == _MENTIONING:
                    break
        return found


def _imports(raw: bytes, pairs: Collection[tuple[bytes, bytes]]) -> bool:
    for match in _FROM.finditer(raw):
        stem = match[1].rpartition(b".")[2]
        if any((stem, name) in pairs for name in _WORD.findall(match[2])):
            return True
    return False
