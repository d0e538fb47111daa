"""The first pass over a set of files: each is read, filtered, indexed or scanned, on its own.

What comes out is plain data, so that files can be shared out among processes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

from porter.catalog.types import Types
from porter.index.build import index
from porter.index.site import Site
from porter.index.summary import Summary
from porter.index.watch import Watch
from porter.model import Problem
from porter.sources import decode
from porter.sources.prefilter import Prefilter
from porter.sources.source import Source

_PYTHON = frozenset({"python", "notebook"})


class Task(NamedTuple):
    """One file to look at; ``raw`` where it comes from standard input."""

    path: str
    display: str
    kind: str
    raw: bytes | None


class FileFacts(NamedTuple):
    """What one file says of itself. ``summary`` is None where it is not Python or was filtered out."""

    path: str
    display: str
    kind: str
    raw: bytes | None
    lines: int
    sites: tuple[Site, ...] = ()
    summary: Summary | None = None
    problems: tuple[Problem, ...] = ()


def analyse(
    tasks: Sequence[Task],
    prefilter: Prefilter,
    watch: Watch,
    types: Types,
    progress: Callable[[int, int], None] | None = None,
) -> list[FileFacts]:
    """The facts of every file, in the order of ``tasks``."""
    facts = []
    for i, task in enumerate(tasks):
        facts.append(one(task, prefilter, watch, types))
        if progress is not None:
            progress(i + 1, len(tasks))
    return facts


def one(task: Task, prefilter: Prefilter, watch: Watch, types: Types) -> FileFacts:
    """The facts of one file."""
    raw = task.raw if task.raw is not None else decode.read_bytes(task.path, task.display)
    if isinstance(raw, Problem):
        return FileFacts(*task, 0, problems=(raw,))
    lines = raw.count(b"\n")
    if not prefilter.wanted(task.kind, raw, task.display):
        return FileFacts(*task, lines)
    source = decode.decode(raw, task.display, task.kind)
    if isinstance(source, Problem):
        return FileFacts(*task, lines, problems=(source,))
    return facts_of(source, task, lines, watch, types)


def facts_of(source: Source, task: Task, lines: int, watch: Watch, types: Types) -> FileFacts:
    """Index a Python file or notebook; scan any other, and the shell lines of a notebook."""
    from porter.sources import files

    problems = source.problems
    sites: list[Site] = []
    summary = None
    if task.kind in _PYTHON:
        indexed = index(source, watch, types)
        sites, summary = indexed.sites, indexed.summary
        if indexed.problem is not None:
            problems = (*problems, indexed.problem)
    if task.kind not in _PYTHON or source.fragments:
        sites = [*sites, *files.scan(source)]
    return FileFacts(*task, lines, tuple(sites), summary, problems)


def processes(wanted: int, files: int) -> int:
    """How many processes a run is worth: one below a few hundred files."""
    limit = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(wanted or (1 if files < 300 else limit), limit, max(files, 1))
