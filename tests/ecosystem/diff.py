"""What a change of porter does to real code: ``python -m tests.ecosystem.diff [--old REF] [--project NAME]...``

Runs two states of porter on the pinned projects, the one that git knows as REF (``HEAD``) and the one that lies here,
by their command lines, and writes what has changed as Markdown: findings by file and line, hunks of the patch. Without
``--project`` and ``--target`` these are the packages and targets whose line in the committed state (`state.py`) is
another here than in REF; ``--all`` takes them all.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from porter.model import TARGETS
from tests.ecosystem import state
from tests.ecosystem.download import provide
from tests.ecosystem.projects import Project, add_arguments, cache_folder, load

HERE = Path(__file__).parents[2]
LONGEST = 200  # lines of one list that are shown


class Place(NamedTuple):
    """What a line of the report is sorted by."""

    path: str
    line: int


class Outcome(NamedTuple):
    """What one porter says of one tree: lines for the reader, each as often as it occurs."""

    findings: Counter[tuple[Place, str]]
    hunks: Counter[tuple[Place, str]]


class Change(NamedTuple):
    """What has changed for one package and target."""

    package: str
    target: str
    old: Outcome
    new: Outcome

    def lost(self, what: str) -> list[tuple[Place, str]]:
        """Findings or hunks of the old porter that the new one does not have."""
        return sorted((getattr(self.old, what) - getattr(self.new, what)).elements())

    def won(self, what: str) -> list[tuple[Place, str]]:
        """The other way round."""
        return sorted((getattr(self.new, what) - getattr(self.old, what)).elements())

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Findings more and less, hunks more and less."""
        more, less = (len(self.won("findings")), len(self.lost("findings")))
        return more, less, len(self.won("hunks")), len(self.lost("hunks"))


def outcome(checkout: Path, tree: Path, target: str) -> Outcome:
    """Ask the porter of ``checkout`` about ``tree``. Raises RuntimeError where it fails."""
    with tempfile.TemporaryDirectory(prefix="porter-diff-") as cache:
        common = ["--isolated", "--quiet", "--cache-dir", cache, "--target", target, "."]
        report = json.loads(_run(checkout, tree, "scan", "--format", "json", *common))
        patch = _run(checkout, tree, "rewrite", "--diff", *common)
    return Outcome(Counter(map(_finding, report["findings"])), Counter(hunks(patch.decode(errors="replace"))))


def _run(checkout: Path, tree: Path, *arguments: str) -> bytes:
    environment = {**os.environ, "PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"}
    command = ["nice", sys.executable, "-m", "porter", *arguments]
    process = subprocess.run(command, cwd=tree, env=environment, capture_output=True, check=False)
    if process.returncode or b"internal error" in process.stderr:
        raise RuntimeError(f"{' '.join(command)} in {tree}: {process.stderr.decode(errors='replace')}")
    return process.stdout


def _finding(found: dict[str, object]) -> tuple[Place, str]:
    cell = "" if found["cell"] is None else f"cell {found['cell']}:"
    place = f"{found['path']}:{cell}{found['line']}:{found['column']}"
    edited = " [*]" if found["fix"] else ""
    text = f"{place}: {found['code']} {found['name']} {found['verdict']}{edited} {found['message']}"
    return Place(str(found["path"]), int(str(found["line"]))), text


def hunks(patch: str) -> Iterator[tuple[Place, str]]:
    """The hunks of a patch, each with the file and the line of the original; not where they are in the result."""
    path = ""
    for part in re.split(r"^(?=diff --git |@@ )", patch, flags=re.MULTILINE):
        if part.startswith("diff --git "):
            path = re.search(r"^\+\+\+ \"?b/(.*?)[\"\t]*$", part, re.MULTILINE)[1]  # type: ignore[index]
        elif part.startswith("@@ "):
            header, _, body = part.partition("\n")
            start = re.match(r"@@ -(\d+)", header)[1]  # type: ignore[index]
            yield Place(path, int(start)), f"@@ {path}:{start} @@\n{body}"


def report(changes: Iterable[Change], unchanged: int) -> Iterator[str]:
    """Markdown: a line that sums up, the changes by rule, and a section to fold out for each package and target."""
    changed = sorted((change for change in changes if any(change.counts)), key=lambda change: change[:2])
    total = [sum(numbers) for numbers in zip(*(change.counts for change in changed), strict=True)] or [0] * 4
    yield f"## Ecosystem: {_summed(total)} in {len(changed)} of {len(changed) + unchanged} packages and targets"
    yield from _by_rule(changed)
    for change in changed:
        yield f"\n<details><summary>{change.package}, {change.target}: {_summed(change.counts)}</summary>\n"
        findings = [(place, f"- {text}") for place, text in change.lost("findings")]
        findings += [(place, f"+ {text}") for place, text in change.won("findings")]
        if findings:
            yield from _fenced("diff", [text for _, text in sorted(findings, key=lambda item: item[0])])
        for title, found in (("Hunks that are gone", change.lost("hunks")), ("New hunks", change.won("hunks"))):
            if found:
                yield f"\n{title}:\n"
                yield from _fenced("diff", [line for _, text in found for line in text.splitlines()])
        yield "\n</details>"


def _summed(counts: Iterable[int]) -> str:
    more, less, more_hunks, less_hunks = counts
    return f"+{more} -{less} findings, +{more_hunks} -{less_hunks} hunks"


def _by_rule(changed: list[Change]) -> Iterator[str]:
    counts: dict[str, list[int]] = {}
    for change in changed:
        for column, found in enumerate((change.won("findings"), change.lost("findings"))):
            for _, text in found:
                code, name, verdict = text.split(": ", 1)[1].split()[:3]
                counts.setdefault(f"{code} {name} | {change.target} | {verdict}", [0, 0])[column] += 1
    if counts:
        yield "\n| rule | target | verdict | + | - |\n|---|---|---|--:|--:|"
        yield from (f"| {name} | {more} | {less} |" for name, (more, less) in sorted(counts.items()))


def _fenced(language: str, lines: list[str]) -> Iterator[str]:
    """A block of code that nothing in it can end."""
    shown = lines[:LONGEST] + ([f"... and {len(lines) - LONGEST} lines more"] if len(lines) > LONGEST else [])
    fence = "`" * max(3, 1 + max((len(run) for line in shown for run in re.findall("`+", line)), default=0))
    yield f"{fence}{language}"
    yield from shown
    yield fence


def checkout(ref: str, folder: Path) -> None:
    """Lay down what git knows as ``ref``. Raises subprocess.CalledProcessError."""
    archive = subprocess.run(["git", "archive", ref], cwd=HERE, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")


def differing(old: Path, projects: list[Project], targets: Iterable[str]) -> Iterator[tuple[Project, str]]:
    """The packages and targets whose committed line has changed."""
    name = state.PATH.relative_to(HERE)
    states = [state.parse(path.read_text(encoding="utf-8")) for path in (old / name, state.PATH) if path.exists()]
    for project in projects:
        for target in targets:
            key = project.package, target
            if len(states) < 2 or states[0].get(key) != states[1].get(key):
                yield project, target


def main() -> None:
    """Compare, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--old", default="HEAD", metavar="REF", help="what git calls the old state (default: HEAD)")
    parser.add_argument("--target", action="append", choices=TARGETS, help="only this target (may be repeated)")
    parser.add_argument("--all", action="store_true", help="all packages and targets, whatever the state says")
    parser.add_argument("-j", "--jobs", type=int, default=2)
    arguments = parser.parse_args()
    projects, cache = load(arguments.project), cache_folder(arguments.cache)
    targets = arguments.target or list(TARGETS)
    with tempfile.TemporaryDirectory(prefix="porter-old-") as old:
        checkout(arguments.old, Path(old))
        chosen = [(project, target) for project in projects for target in targets]
        if not (arguments.all or arguments.project or arguments.target):
            chosen = list(differing(Path(old), projects, targets))
        for failure in provide([project for project, _ in chosen], cache):
            print(f"left out: {failure}", file=sys.stderr)

        def compare(item: tuple[Project, str]) -> Change:
            project, target = item
            tree = project.tree(cache)
            return Change(project.package, target, *(outcome(side, tree, target) for side in (Path(old), HERE)))

        there = [(project, target) for project, target in chosen if project.tree(cache).is_dir()]
        with ThreadPoolExecutor(arguments.jobs) as pool:
            changes = list(pool.map(compare, there))
    rest = len(projects) * len(targets) - sum(any(change.counts) for change in changes)
    print("\n".join(report(changes, rest)))


if __name__ == "__main__":
    main()
