"""What must hold for every file, whatever is in it: `problems` says what does not."""

from __future__ import annotations

import re
import traceback
import warnings
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

from porter import engine
from porter.config import Settings, load
from porter.engine import FileChange, Report
from porter.model import Edit, Problem
from porter.rewrite.patch import splice
from porter.sources.decode import decode
from porter.sources.kinds import kind_of
from porter.sources.source import Source

TARGETS = ("neuron", "portable", "xla")


@lru_cache
def settings(target: str) -> Settings:
    """All rules, for a target."""
    given = {"cache": False, "jobs": 1, "select": ("ALL",), "target": target, "seconds_per_file": 20}
    return load(isolated=True, overrides=given)


def problems(name: str, raw: bytes, target: str = "neuron", *, annotate: bool = False) -> list[str]:
    """In which ways porter breaks its word for a file of this name and contents; a crash is the first."""
    try:
        return list(_problems(name, raw, target, annotate))
    except Exception:
        return [f"crash: {_place(traceback.format_exc())}"]


def rewrite(name: str, raw: bytes, target: str = "neuron", *, annotate: bool = False) -> FileChange | None:
    """What becomes of a file; None where nothing does."""
    files = engine.rewrite((), settings(target), stdin=(name, raw), annotate=annotate).files
    return next((file for file in files if file.path == name), None)


def _problems(name: str, raw: bytes, target: str, annotate: bool) -> Iterator[str]:
    report = engine.run((), settings(target), stdin=(name, raw), audit=True)
    yield from _told(report, raw)
    source = decode(raw, name, kind_of(name) or "python")
    if isinstance(source, Source):
        yield from _places(report, source)
    change = rewrite(name, raw, target, annotate=annotate)
    if change is None or change.after == raw:
        return
    yield from _changes(change, raw)
    yield from _result(name, source, change)
    again = rewrite(name, change.after, target, annotate=annotate)
    if again is not None and again.after != change.after:
        yield f"a second rewrite changes it again: {_difference(change.after, again.after)}"
    if rewrite(name, raw, target, annotate=annotate) != change:
        yield "the same file is rewritten in two ways"


def _told(report: Report, raw: bytes) -> Iterator[str]:
    """Findings and problems stand in the file, and in order."""
    lines = len(re.split(rb"\r\n|\r|\n", raw)) + 1
    for finding in report.findings:
        if finding.cell is None and not 1 <= finding.line <= finding.end_line <= lines:
            yield f"{finding.code} stands in line {finding.line} of {lines}"
        if finding.column < 1:
            yield f"{finding.code} stands in column {finding.column}"
    keys = [(f.cell or 0, f.line, f.column, f.code) for f in report.findings]
    if keys != sorted(keys):
        yield "findings are not in order"
    if any("takes more than" in problem.message for problem in report.problems):
        yield "it takes too long"


def _places(report: Report, source: Source) -> Iterator[str]:
    """Edits of one fix lie in the file, and do not overlap."""
    for finding in report.findings:
        edits = sorted(finding.fix.edits) if finding.fix else []
        for edit in edits:
            if not 0 <= edit.start <= edit.end <= len(source.raw):
                yield f"{finding.code} edits {edit} of {len(source.raw)} bytes"
        for one, other in pairwise(edits):
            if one.end > other.start and one.text and other.text:
                yield f"{finding.code} has edits that overlap: {one}, {other}"


def _changes(change: FileChange, raw: bytes) -> Iterator[str]:
    """What was changed is what is announced, byte for byte."""
    if change.before != raw:
        yield "the file before is not the file"
    if splice(raw, change.changes) != change.after:
        yield "the changes do not lead to the result"
    at = 0
    for one in change.changes:
        if one.start < at or one.end < one.start:
            yield f"changes overlap at {one.start}"
        at = one.end


def _result(name: str, source: Source | Problem, change: FileChange) -> Iterator[str]:
    """The result decodes, compiles and ends its lines as the original does."""
    result = decode(change.after, name, kind_of(name) or "python")
    if isinstance(result, Problem) or isinstance(source, Problem):
        yield f"the result {getattr(result, 'message', 'was made of what cannot be read')}"
        return
    if source.kind == "python" and type(result.layout) is not type(source.layout):
        yield "the result is in another encoding"
    if source.kind == "python" and _compiles(change.before) and not _compiles(change.after):
        yield f"the result does not compile: {_error(change.after)}"
    if b"\r" not in source.text and b"\r" in result.text:
        yield "the result has other line ends"


def _compiles(raw: bytes) -> bool:
    """Whether Python takes it."""
    return _error(raw) is None


def _error(raw: bytes) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(raw, "x.py", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return str(error)
    return None


def edits_of(report: Report) -> list[Edit]:
    """All edits of all fixes."""
    return [edit for finding in report.findings if finding.fix for edit in finding.fix.edits]


def _difference(one: bytes, other: bytes) -> str:
    at = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return f"{one[max(0, at - 40) : at + 60]!r} to {other[max(0, at - 40) : at + 60]!r}"


def _place(trace: str) -> str:
    """The last lines of a traceback: what went wrong, and where in porter."""
    frames = re.findall(r'File ".*?/(porter/[^"]*)", line (\d+)', trace)
    where = ":".join(frames[-1]) if frames else "?"
    return f"{trace.strip().splitlines()[-1]} at {where}"
