"""What must hold for every scan and rewrite, whatever the code.

1. No crash.
2. A rewritten file parses and compiles where the original does.
3. ``git apply`` takes the patch, and the tree is then exactly what was announced.
4. Every changed line is touched by an edit of a finding's fix.
5. A second rewrite changes nothing.
"""

from __future__ import annotations

import ast
import difflib
import json
import os
import resource
import shutil
import subprocess
import tempfile
import traceback
import warnings
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from porter import engine
from porter.config import Settings
from porter.engine import FileChange, Report
from porter.model import Edit
from porter.rewrite.patch import unified


class Proof(NamedTuple):
    """What porter made of a tree, and in which ways that breaks a rule of the list above."""

    report: Report
    changes: tuple[FileChange, ...]
    broken: list[str]
    seconds: float  # CPU, of the scan alone


def prove(tree: Path, settings: Settings) -> Proof:
    """Scan and rewrite a copy of ``tree``. A crash is reported in ``broken``, with an empty report."""
    with tempfile.TemporaryDirectory(prefix="porter-ecosystem-") as scratch:
        copy = Path(scratch) / "tree"
        shutil.copytree(tree, copy, symlinks=True)
        with working_in(copy):
            try:
                return prove_here(settings)
            except Exception:
                nothing = Report([], [], 0, 0, 0.0, [])
                return Proof(nothing, (), [f"crash\n{traceback.format_exc()}"], 0.0)


def prove_here(settings: Settings) -> Proof:
    """Scan and rewrite the working directory, where files may be changed."""
    start = cpu_seconds()
    report = engine.run(["."], settings, audit=True)
    seconds = cpu_seconds() - start
    changes = rewrite(settings)
    edits: dict[str, list[Edit]] = {}
    for finding in report.findings:
        edits.setdefault(finding.path, []).extend(finding.fix.edits if finding.fix else ())
    broken = [complaint for change in changes for complaint in complaints(change, edits.get(change.path, ()))]
    broken += applied(changes)
    broken += [f"{change.path}: a second rewrite changes it again" for change in rewrite(settings)]
    return Proof(report, changes, broken, seconds)


def rewrite(settings: Settings) -> tuple[FileChange, ...]:
    """The files of the working directory that a rewrite would change."""
    files = engine.rewrite(["."], settings).files
    return tuple(change for change in files if change.after != change.before)


def complaints(change: FileChange, edits: Iterable[Edit]) -> Iterator[str]:
    """What is wrong with one rewritten file, by itself."""
    if parses(change.path, change.before) is None and (error := parses(change.path, change.after)):
        yield f"{change.path}: no longer parses: {error}"
    before, after = change.before.splitlines(keepends=True), change.after.splitlines(keepends=True)
    starts = [0]
    for line in before:
        starts.append(starts[-1] + len(line))
    allowed: set[int] = set()
    for edit in edits:
        allowed.update(range(bisect_right(starts, edit.start) - 1, bisect_right(starts, edit.end) + 1))
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for tag, first, last, *_ in matcher.get_opcodes():
        stray = [number + 1 for number in range(first, max(last, first + 1)) if number not in allowed]
        if tag != "equal" and stray:
            yield f"{change.path}: line {stray[0]} changed, and no finding edits it"


def parses(path: str, content: bytes) -> str | None:
    """Why a file is not what its name promises; None where it is, or where nothing here can tell."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if path.endswith(".py"):
                compile(ast.parse(content), path, "exec", dont_inherit=True)
            elif path.endswith((".ipynb", ".json")):
                json.loads(content)
    except (SyntaxError, ValueError) as error:
        return str(error)
    return None


def applied(changes: tuple[FileChange, ...]) -> Iterator[str]:
    """Apply the patch for ``changes`` to the working directory with git; yields what goes wrong."""
    if not changes:
        return
    patch = b"".join(unified(change.path, change.before, change.changes) for change in changes)
    for check in (["--check"], []):
        git = subprocess.run(["git", "apply", *check, "-"], input=patch, capture_output=True, check=False)
        if git.returncode:
            yield f"git apply: {git.stderr.decode(errors='replace').strip()}"
            return
    for change in changes:
        if Path(change.path).read_bytes() != change.after:
            yield f"{change.path}: the patch does not say what the rewrite says"


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """Have ``folder`` as the working directory for a while."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def cpu_seconds() -> float:
    """CPU time of this process and its finished children, user and system."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
