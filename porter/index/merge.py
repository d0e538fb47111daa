"""Between the two passes: what the files of a run say together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec

from porter.index.analyse import Lens
from porter.index.build import module_name
from porter.index.facts import PYTHON, Facts, Task, sites_of
from porter.index.project import Project
from porter.index.reexports import Origin, Reexports
from porter.index.site import Site
from porter.index.unseen import FirstPass, Unseen

_KEPT = 64  # files whose sites are at hand, for rules to ask about


class Borrower(NamedTuple):
    """A file that uses names which other files have imported, and what it says once it is known what they stand for."""

    path: str
    before: Facts
    after: Facts
    origins: Mapping[str, Origin]


class Merged(NamedTuple):
    """What the second pass works with."""

    facts: list[Facts]
    project: Project
    borrowers: list[Borrower]


def merge(
    tasks: Sequence[Task],
    facts: Sequence[Facts],
    through: Lens,
    again: FirstPass,
) -> Merged:
    """Merge what the first pass found. ``again`` is that pass, for files (and the digests of their contents)."""
    project, unseen = _together(tasks, facts, through, again)
    borrowed = _borrowed(map(_seen, facts), project, unseen, through)
    origins = {i: names for i, task in enumerate(tasks) if (names := _names(task, borrowed))}
    if not origins:
        return Merged(list(facts), project, [])
    named = [
        tasks[i]._replace(names=tuple(sorted((name, origin.symbol) for name, origin in names.items())))
        for i, names in origins.items()
    ]
    found = dict(zip(origins, again(named, [facts[i].digest for i in origins]), strict=True))
    borrowers = [Borrower(tasks[i].display, facts[i], found[i], names) for i, names in origins.items()]
    facts = [found.get(i, known) for i, known in enumerate(facts)]
    return Merged(facts, _together(tasks, facts, through, again)[0], borrowers)


def _seen(facts: Facts) -> Facts:
    """What other files learn of a file."""
    return msgspec.structs.replace(facts, summary=None) if facts.aside else facts


def _together(tasks: Sequence[Task], facts: Sequence[Facts], through: Lens, again: FirstPass) -> tuple[Project, Unseen]:
    facts = [*map(_seen, facts)]
    unseen = Unseen(list(zip(tasks, facts, strict=True)), again)
    python = [task.display for task in tasks if task.kind == "python"]
    summaries = [known.summary for known in facts if known.summary is not None]
    by_module = {known.summary.module: known for known in facts if known.summary is not None}

    def sites(module: str) -> tuple[Site, ...]:
        return sites_of(by_module[module]) if module in by_module else ()

    kept = lru_cache(_KEPT)
    files = (task.display for task in tasks)
    project = Project(summaries, python, through.types, unseen.load, unseen.mentioning, kept(sites), files)
    project.options = lambda: unseen.options
    project.contents = lambda path: _contents(path, tasks)
    return project, unseen


def _contents(path: str, tasks: Sequence[Task]) -> bytes:
    """What a file of the run holds; nothing where there is none, or it cannot be read."""
    raw = next((task.read() for task in tasks if task.display == path), b"")
    return raw if isinstance(raw, bytes) else b""


def _borrowed(
    facts: Iterable[Facts], project: Project, unseen: Unseen, through: Lens
) -> Mapping[str, Mapping[str, Origin]]:
    """By module, the names that it uses and that other files have imported from PyTorch and the like."""
    reexports = Reexports(project, through.watch)
    reexports.add(known.summary for known in facts if known.summary is not None)
    asked: set[tuple[str, str]] = set()
    while names := reexports.names() - asked:  # a file without CUDA may pass such a name on, too
        asked |= names
        reexports.add(unseen.importing(names))
    return reexports.of


def _names(task: Task, borrowed: Mapping[str, Mapping[str, Origin]]) -> Mapping[str, Origin]:
    return borrowed.get(module_name(task.display), {}) if task.kind in PYTHON else {}
