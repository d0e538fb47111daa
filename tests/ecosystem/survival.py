"""How well a baseline outlives a release: ``python -m tests.ecosystem.survival OLD NEW`` (two unpacked releases).

The findings of the old release are the baseline, and the new release is checked against it. Git says which lines of
the new release have changed. What the gate calls new on a line that has not is wrongly new if the line failed before;
else what the line depends on has changed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from porter import engine
from porter.config import Settings, load
from porter.gate.baseline import dump
from porter.gate.changes import Changes
from porter.gate.gate import Outcome, against_baseline, judge
from porter.gate.known import Scope
from porter.model import Finding
from tests.ecosystem.invariants import working_in

BASELINE = "porter-baseline.txt"
_IDENTITY = ("-c", "user.name=porter", "-c", "user.email=porter@example.org", "-c", "commit.gpgsign=false")


class Survival(NamedTuple):
    """What became of a baseline. Counts of findings that fail the gate."""

    old: int
    new: int
    matched: int
    gone: int
    changed: list[Finding]  # new, on lines that changed
    depends: list[Finding]  # new, on lines that did not change but did not fail either
    wrongly: list[Finding]  # new, on lines that failed before

    def row(self, name: str) -> str:
        """A line of the table in docs/baseline.md."""
        counts = (self.old, self.matched, self.gone, self.new, len(self.changed), len(self.depends), len(self.wrongly))
        return f"| {name} | " + " | ".join(f"{count:,}" for count in counts) + " |"


def survive(old: Path, new: Path, **overrides: object) -> Survival:
    """Measure in a repository of its own, with the old release as its only commit."""
    with tempfile.TemporaryDirectory(prefix="porter-survival-") as folder, working_in(Path(folder)):
        settings = load(isolated=True, overrides={"cache": False, **overrides})
        _fill(old)
        first = _judged(settings)
        Path(BASELINE).write_text(_baseline(first), encoding="utf-8")
        _git("init", "-q")
        _git("add", "-A", "-f")
        _git("commit", "-q", "-m", "old")
        _fill(new)
        _git("add", "-A", "-f")
        second = _judged(settings)
        count = len(second.errors)
        changes = Changes(["."], "HEAD")
        against_baseline(second, Path(BASELINE).absolute(), ["."], [])
        before = {(finding.code, finding.symbol, finding.text) for finding in first.errors}
        new: dict[str, list[Finding]] = {"changed": [], "depends": [], "wrongly": []}
        for finding in second.errors:
            failed = (finding.code, finding.symbol, finding.text) in before
            new["changed" if changes.touch(finding) else "wrongly" if failed else "depends"].append(finding)
        return Survival(len(first.errors), count, second.known, len(second.gone), **new)


def _judged(settings: Settings) -> Outcome:
    return judge(engine.run(["."], settings).findings, settings)


def _baseline(outcome: Outcome) -> str:
    scope = Scope(Path(BASELINE).absolute(), ["."])
    return dump(scope.entry(finding) for finding in outcome.errors)


def _fill(release: Path) -> None:
    """Make the working directory hold a release, and nothing else but git's folder and the baseline."""
    for entry in list(Path().iterdir()):
        if entry.name not in (".git", BASELINE):
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    shutil.copytree(release, ".", symlinks=True, dirs_exist_ok=True)


def _git(*arguments: str) -> None:
    subprocess.run(["git", *_IDENTITY, *arguments], check=True, env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull})


def _told(found: Survival) -> Iterator[str]:
    for why in ("wrongly", "depends", "changed"):
        yield from (f"  {why}: {f.path}:{f.line}: {f.code} {f.text}" for f in getattr(found, why))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--guarded", action="store_true", help="also what runs only under a test for CUDA")
    options = parser.parse_args()
    found = survive(options.old.absolute(), options.new.absolute(), guarded=options.guarded)
    print("| release | in the baseline | matched | gone | in the new one | new | new by context | wrongly new |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    print(found.row(f"{options.old.name} to {options.new.name}"))
    print("\n".join(_told(found)))


if __name__ == "__main__":
    main()
