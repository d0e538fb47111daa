"""What must hold for every scan and rewrite, whatever the code and the target.

1. No crash.
2. A rewritten file parses and compiles where the original does.
3. ``git apply`` takes the patch, and the tree is then exactly what was announced.
4. Nothing changes but what the edit of a finding replaces.
5. A second rewrite, which knows the first one's cache, changes nothing.
6. Scanned again, by another number of processes or from the cache, the same findings come out; a look into files that
   the prefilter rejects adds none but those that say that all is well.
7. Nothing is named that has no name on the target: no empty string in the words of a finding, or for an argument that
   its edits write.
8. Nothing is left out that another reader reads, and no file needs to be kept from its own edits: porter refuses to
   write what it cannot prove, but has no cause to.
9. A rewritten file uses no name that it no longer binds, as ruff reads it.
"""

from __future__ import annotations

import ast
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import yaml

from porter import engine
from porter.config import Settings
from porter.engine import FileChange, Report, RewriteReport
from porter.gate.gate import judge
from porter.model import Finding, Problem, Verdict
from porter.rewrite.patch import unified

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


_SAYS_NOTHING = re.compile(r"(?<!`)`(\"\"|'')?`(?!`)")
_RUFF = [
    sys.executable,
    "-m",
    "ruff",
    "check",
    "--isolated",
    "--no-cache",
    "--select=F821",
    "--ignore-noqa",
    "--output-format=json",
]
_WRITES_NOTHING = re.compile(r"\w=(\"\"|'')(?![\"'])")


class Proof(NamedTuple):
    """What porter made of a tree, and in which ways that breaks a rule of the list above."""

    report: Report  # of all files that mention CUDA, with what is no finding
    findings: list[Finding]  # that users see
    errors: int  # that fail a check
    changes: tuple[FileChange, ...]
    patch: bytes
    broken: list[str]
    seconds: float  # CPU, of the scan alone


def prove(tree: Path, settings: Settings) -> Proof:
    """Scan and rewrite a copy of ``tree``. A crash is reported in ``broken``, with an empty report."""
    with tempfile.TemporaryDirectory(prefix="porter-ecosystem-") as scratch:
        copy = Path(scratch) / "tree"
        shutil.copytree(tree, copy, symlinks=True, ignore=shutil.ignore_patterns(".porter_cache"))
        with working_in(copy):
            try:
                return prove_here(settings)
            except Exception:
                return Proof(Report(), [], 0, (), b"", [f"crash\n{traceback.format_exc()}"], 0.0)


def prove_here(settings: Settings) -> Proof:
    """Scan and rewrite the working directory, where files may be changed."""
    settings = msgspec.structs.replace(settings, cache_dir=str(Path.cwd() / ".porter_cache"))
    alone, shared, known = (
        msgspec.structs.replace(settings, cache=cache, jobs=jobs) for cache, jobs in ((False, 1), (True, 2), (True, 1))
    )
    start = cpu_seconds()
    report = engine.run(["."], alone, audit=True)
    seconds = cpu_seconds() - start
    rewritten = engine.rewrite(["."], shared)
    changes, seen = changed(rewritten), rewritten.report
    broken = [complaint for change in changes for complaint in complaints(change, seen)]
    broken += [f"{path}: other findings the second time" for path in differing(report, seen)]
    remembered = at_once(engine.run(["."], known))
    broken += [f"{found.path}: other findings from the cache" for found in {*remembered} ^ {*at_once(seen)}]
    broken += filter(None, map(nameless, seen.findings))
    broken += refused(rewritten)
    broken += unbound(changes)
    patch = b"".join(unified(c.path, c.before, c.changes, created=not Path(c.path).exists()) for c in changes)
    broken += applied(changes, patch)
    broken += [f"{change.path}: a second rewrite changes it again" for change in changed(engine.rewrite(["."], known))]
    return Proof(report, seen.findings, len(judge(seen.findings, settings).errors), changes, patch, broken, seconds)


def changed(rewritten: RewriteReport) -> tuple[FileChange, ...]:
    """The files that a rewrite would change."""
    return tuple(change for change in rewritten.files if change.after != change.before)


def refused(rewritten: RewriteReport) -> Iterator[str]:
    """The files that porter has not looked at although it could, or whose edits it took back."""
    for problem in rewritten.report.problems:
        if Path(problem.path).is_file() and parses(*_told(problem)) is None:
            yield f"{problem.path}: {problem.message}"
    for file in rewritten.files:
        if file.dropped and not file.changes:
            yield f"{file.path}: all edits are taken back: {file.dropped[0][1]}"


def _told(problem: Problem) -> tuple[str, bytes]:
    """What a problem is about, by a name and its content: a file, or a cell of a notebook."""
    content = Path(problem.path).read_bytes()
    if problem.cell is None:
        return problem.path, content
    source = json.loads(content)["cells"][problem.cell]["source"]
    return "cell.py", "".join(source).encode()


def differing(audited: Report, seen: Report) -> list[str]:
    """The files of which two reports say different things."""
    looked, found = Counter(at_once(audited)), Counter(at_once(seen))
    more = [finding for finding in looked - found if finding.verdict is not Verdict.PORTABLE]
    return sorted({finding.path for finding in [*more, *(found - looked)]})


def at_once(report: Report) -> list[Finding]:
    """The findings of files as they are: one that does not parse, a rewrite may mend, and go on with the rest."""
    unread = {finding.path for finding in report.findings if finding.code == "PRT001"}
    return [finding for finding in report.findings if finding.path not in unread or finding.code == "PRT001"]


def nameless(finding: Finding) -> str | None:
    """What a finding says or writes without a name, if anything."""
    written = [edit.text for edit in finding.fix.edits] if finding.fix else []
    if _SAYS_NOTHING.search(f"{finding.message} {finding.advice}") or any(map(_WRITES_NOTHING.search, written)):
        return (
            f"{finding.path}:{finding.line}: {finding.code} names nothing: {finding.message} {finding.advice} {written}"
        )
    return None


def complaints(change: FileChange, report: Report) -> Iterator[str]:
    """What is wrong with one rewritten file, by itself."""
    if parses(change.path, change.before) is None and (error := parses(change.path, change.after)):
        yield f"{change.path}: no longer parses: {error}"
    stray = outside(change.before, change.after, places(change, report))
    if stray is not None:
        line = change.before.count(b"\n", 0, stray) + 1
        yield f"{change.path}: changed from line {line} on, where no finding edits it"


def places(change: FileChange, report: Report) -> Iterator[tuple[int, int]]:
    """Where findings may change a file: those of the file as it is, and those that appear when it is rewritten."""
    known = {finding for finding in report.findings if finding.path == change.path}
    for finding in known:
        yield from ((edit.start, edit.end) for edit in (finding.fix.edits if finding.fix else ()))
    for unit in change.units:
        if not known.issuperset(unit.findings):
            yield from ((made.start, made.end) for made in unit.changes)


def unbound(changes: Sequence[FileChange]) -> Iterator[str]:
    """The names that rewritten files use and do not bind, but did before."""
    before = undefined({change.path: change.before for change in changes})
    after = undefined({change.path: change.after for change in changes})
    for (path, name), count in (after - before).items():
        yield f"{path}: {name}, {count} more than before"


def undefined(files: Mapping[str, bytes]) -> Counter[tuple[str, str]]:
    """How often files of Python use a name that nothing binds, by path and what ruff says of the name."""
    code = {path: content for path, content in files.items() if path.endswith((".py", ".ipynb"))}
    with tempfile.TemporaryDirectory(prefix="porter-names-") as folder:
        names = {}
        for number, (path, content) in enumerate(code.items()):
            copy = Path(folder) / f"{number}{Path(path).suffix}"
            copy.write_bytes(content)
            names[copy.name] = path
        told = subprocess.run([*_RUFF, folder], capture_output=True, check=False)
    found = [one for one in json.loads(told.stdout) if one["code"] == "F821"]  # else it does not parse
    return Counter((names[Path(one["filename"]).name], one["message"]) for one in found)


def outside(before: bytes, after: bytes, edited: Iterable[tuple[int, int]]) -> int | None:
    """Where ``after`` differs from ``before`` other than where it is ``edited``, or may be: an offset in ``before``."""
    pieces: list[tuple[int, bytes]] = []  # what no edit touches: all of it is still there, in order
    end = 0
    for start, stop in sorted(edited):
        if start >= end:
            pieces.append((end, before[end:start]))
        end = max(end, stop)
    pieces.append((end, before[end:]))
    found = 0
    for i, (offset, piece) in enumerate(pieces):
        place = after.rfind(piece) if i == len(pieces) - 1 else after.find(piece, found)
        if place < found or (i == 0 and place > 0):
            return offset
        found = place + len(piece)
    return None if found == len(after) else end


def parses(path: str, content: bytes) -> str | None:
    """Why a file is not what its name promises; None where it is, or where nothing here can tell."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if path.endswith(".py"):
                compile(ast.parse(content), path, "exec", dont_inherit=True)
            elif path.endswith((".ipynb", ".json")):
                json.loads(content)
            elif path.endswith(".toml"):
                tomllib.loads(content.decode())
            elif path.endswith((".yaml", ".yml")):
                list(yaml.parse(content))
            elif path.endswith(".sh"):
                bash = subprocess.run(["bash", "-n"], input=content, capture_output=True, check=False)  # reads only
                return bash.stderr.decode(errors="replace").strip() if bash.returncode else None
    except (SyntaxError, ValueError, yaml.YAMLError) as error:
        return str(error)
    return None


def applied(changes: tuple[FileChange, ...], patch: bytes) -> Iterator[str]:
    """Apply the patch for ``changes`` to the working directory with git; yields what goes wrong."""
    if not changes:
        return
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
