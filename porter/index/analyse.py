"""The first pass over a file: read, filtered, indexed or scanned, all by itself.

What comes out depends on the file's bytes and name, on the rows and on the rules that are to run, and on nothing else:
so it can be shared out among processes (`porter.index.share`) and kept between runs (`porter.cache`).
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from msgspec import Raw

from porter import catalog
from porter.catalog.types import Types, load_types
from porter.index.build import bindings, index
from porter.index.facts import PYTHON, Facts, Setup, Task, digest, encode
from porter.index.site import Site
from porter.index.summary import Summary
from porter.index.watch import Watch, watch
from porter.limit import TooSlow, limited, slow
from porter.model import Problem
from porter.sources import decode
from porter.sources.prefilter import Prefilter
from porter.sources.source import Source

_MENTION = re.compile(rb"cuda|nccl|cudnn|nvtx", re.IGNORECASE)
_IMPORT = re.compile(rb"^[ \t]*(?:from[ \t]+[\w.]+[ \t]+)?import\b(?:[ \t]*\([^)]*\)|[^\n]*)", re.MULTILINE)
_PLACING = (b".to(", b"torch.device(")
_DIRECTED = (b"porter:", b"PRT")


class Lens(NamedTuple):
    """What the first pass looks through."""

    prefilter: Prefilter
    watch: Watch
    types: Types
    audit: bool
    seconds: float


@lru_cache(maxsize=2)
def lens(setup: Setup) -> Lens:
    """Made once a process. Raises CatalogueError."""
    catalogue = catalog.load([Path(name) for name in setup.catalogue])
    prefilter = Prefilter(catalogue, setup.rules, (setup.target,))
    return Lens(prefilter, watch(catalogue, setup.rules, setup.target), load_types(), setup.audit, setup.seconds)


def analyse(task: Task, through: Lens) -> Facts:
    """The facts of one file."""
    raw = task.read()
    if isinstance(raw, Problem):
        return Facts(digest(raw.message.encode()), problems=(raw,))
    known, lines = digest(raw), raw.count(b"\n")
    audited = through.audit and task.kind in PYTHON and _MENTION.search(raw) is not None
    directed = any(word in raw for word in _DIRECTED)
    wanted = bool(task.names or task.asked) or through.prefilter.wanted(task.kind, raw, task.display)
    placing = not wanted and any(word in raw for word in _PLACING)
    if not (wanted or audited):
        return Facts(known, lines, placing, directed=directed)
    try:
        with limited(0 if task.asked else through.seconds):
            source = decode.decode(raw, task.display, task.kind)
            if isinstance(source, Problem):
                return Facts(known, lines, problems=(source,))
            if task.asked == "bindings":
                return Facts(known, lines, summary=bindings(source))
            sites, summary, problems = _look(source, task, through)
            return Facts(known, lines, placing, summary, problems, Raw(encode(sites)), directed, aside=not wanted)
    except TooSlow:
        if task.asked:
            raise
        return Facts(known, lines, problems=(slow(task.display, through.seconds),))


def _look(source: Source, task: Task, through: Lens) -> tuple[list[Site], Summary | None, tuple[Problem, ...]]:
    """Index a Python file or notebook; scan any other, and the shell lines of a notebook."""
    from porter.sources import files

    problems = _telling(source, through.prefilter)
    sites: list[Site] = []
    summary = None
    if task.kind in PYTHON:
        indexed = index(source, through.watch, through.types, dict(task.names))
        sites, summary = indexed.sites, indexed.summary
        if indexed.problem is not None:
            problems = (*problems, indexed.problem)
    if task.kind not in PYTHON or source.fragments:
        sites = [*sites, *files.scan(source)]
    return sites, summary, problems


def _telling(source: Source, prefilter: Prefilter) -> tuple[Problem, ...]:
    """The problems of a source, less those of cells that can hold no finding, as of files that the filter drops.

    A cell uses what other cells import.
    """
    if not source.problems:
        return ()
    from porter.sources.notebook import Notebook

    layout = source.layout
    assert isinstance(layout, Notebook)
    imports = b"\n".join((*_IMPORT.findall(source.text), b""))
    written = {cell.index: imports + cell.written(source.raw) for cell in layout.cells}
    return tuple(p for p in source.problems if p.cell is None or prefilter.wanted("python", written[p.cell]))
