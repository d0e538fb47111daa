"""A folder of the workspace, as far as it is known: what `porter check` in it would say of a file that is open.

Every file that is open counts as the editor has it, all others as they are on disk. Until the folder has been surveyed
(`porter.lsp.survey`), a file is judged by itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from porter.config import Settings, relative
from porter.engine import FileChange, Report, Run, rewritten
from porter.gate.baseline import BaselineError
from porter.gate.gate import Outcome, against_baseline, judge
from porter.gate.targets import each, joined
from porter.index.facts import Depth, Facts, Setup, Task
from porter.judge import Judge, Judged
from porter.lsp.snapshot import Snapshot
from porter.lsp.survey import Found, Request
from porter.model import Finding, Problem
from porter.sources.discover import discover
from porter.sources.kinds import kind_of

PATIENCE = 0.1  # seconds that bringing all files together may take while somebody types

_KINDS = {
    "c": "native",
    "cmake": "cmake",
    "cpp": "native",
    "cuda": "native",
    "cuda-cpp": "native",
    "dockerfile": "docker",
    "json": "json",
    "jsonc": "json",
    "jupyter": "notebook",
    "makefile": "make",
    "pip-requirements": "requirements",
    "python": "python",
    "shellscript": "shell",
    "toml": "toml",
    "yaml": "yaml",
}


@dataclass
class Analysis:
    """What is known of one version of an open file."""

    folder: Folder
    task: Task
    snapshot: Snapshot
    outcome: Outcome
    known: list[Finding]  # to the baseline
    judged: list[Judged]  # for every target
    problems: list[Problem]  # why the file, or a part of it, is not analysed
    settled: bool  # False where other files were not asked anew

    @property
    def findings(self) -> Iterator[Finding]:
        """All of them, those that no diagnostic tells of last."""
        yield from (*self.outcome.errors, *self.outcome.warnings, *self.known, *self.outcome.notes)

    def unit(self, finding: Finding) -> tuple[Judged, list[Finding], list[str | None]] | None:
        """What is to be changed together with a finding: with whom it was judged, and the groups of each."""
        for judged in self.judged:
            place = next((i for i, other in enumerate(judged.findings) if other is finding), None)
            if place is not None:
                group = judged.groups[place]
                wanted = [i for i, other in enumerate(judged.groups) if i == place or (group and other == group)]
                return judged, [judged.findings[i] for i in wanted], [judged.groups[i] for i in wanted]
        return None


class _Memory:
    """The facts of every file as it was last looked at, with and without the names that it borrows."""

    def __init__(self) -> None:
        self._facts: dict[tuple[str, bool, Depth | None], tuple[Task, Facts]] = {}

    def begin(self, setup: Setup) -> None:
        """There is one setup only."""

    def find(self, task: Task, contents: bytes) -> Facts | None:
        """See `porter.engine.Memory`."""
        known, facts = self._facts.get(_key(task), (None, None))
        if known is None or facts is None or facts.digest != contents:
            return None
        return facts if known.names == task.names and known.kind == task.kind else None

    def add(self, task: Task, facts: Facts) -> None:
        """See `porter.engine.Memory`."""
        self._facts[_key(task)] = task._replace(raw=None), facts


def _key(task: Task) -> tuple[str, bool, Depth | None]:
    return task.display, bool(task.names), task.asked


class _Aim:
    """What is known for one target."""

    def __init__(self, settings: Settings) -> None:
        """Raises ConfigError."""
        self._memory = _Memory()
        self.run = Run(settings, self._memory)
        self.tasks: list[Task] = []
        self.facts: list[Facts] = []
        self._judge: Judge | None = None
        self._borrowers: frozenset[str] = frozenset()
        self._cost = 0.0  # seconds for bringing all files together

    def adopt(self, found: Found) -> None:
        """Take what a survey has found in the place of what was known."""
        self.tasks, self.facts = found.tasks, found.facts
        for task, facts in (*zip(found.tasks, found.facts, strict=True), *found.again):
            self._memory.add(task, facts)
        self._borrowers = frozenset(task.display for task, _ in found.again)
        self._judge, self._cost = None, 0.0

    def enter(self, task: Task) -> Facts:
        """Look at a file as it is now."""
        (facts,) = self.run.first_pass([task], [None])
        place = next((i for i, other in enumerate(self.tasks) if other.display == task.display), None)
        if place is None:
            self.tasks.append(task)
            self.facts.append(facts)
        else:
            self.tasks[place], self.facts[place] = task, facts
        return facts

    def look(self, task: Task, *, quick: bool) -> tuple[Report, Judged | None, bool]:
        """What there is to say of a file, and whether all others were asked: ``quick`` is for while one types."""
        facts, report = self.enter(task), Report()
        settled = not quick or self._judge is None or self._cost < PATIENCE or task.display in self._borrowers
        if settled or self._judge is None:
            started = time.perf_counter()
            self._judge, merged = self.run.merge(self.tasks, self.facts)
            self._cost = time.perf_counter() - started
            facts = next(known for i, known in enumerate(merged) if self.tasks[i].display == task.display)
        elif facts.summary is not None:
            self._judge.project.update(facts.summary)
        return report, self.run.enter(task, facts, self._judge, report), settled


class Folder:
    """What is known of a folder with its settings. Not to be used by two threads at once."""

    def __init__(self, path: Path, settings: Settings) -> None:
        """Raises ConfigError."""
        self.path, self.settings = path, settings
        self.stale = True  # something has changed on disk since the last survey began, if there was one
        self.surveyed = 0.0  # when the last one ended, by the clock of `time.monotonic`
        self._aims = [_Aim(one) for one in each(settings)]
        self._known: dict[str, frozenset[str]] = {}  # by path, the fingerprints that the baseline knows
        self.catalogue = self._aims[0].run.catalogue

    def request(self) -> Request:
        """What to ask a survey for."""
        return Request(str(self.path), each(self.settings))

    def adopt(self, found: Sequence[Found]) -> int:
        """Take what a survey has found: how many files. Those that are open have to be looked at again."""
        for aim, one in zip(self._aims, found, strict=True):
            aim.adopt(one)
        return len(found[0].tasks)

    def task(self, path: Path, snapshot: Snapshot) -> Task | None:
        """An open file as the engine takes it; None where porter does not read it, or is told not to."""
        display = relative(str(path), ".")
        listed = discover([path], msgspec.structs.replace(self.settings, force_exclude=True))
        if not listed.candidates and not listed.problems:
            return None
        kind = listed.candidates[0].kind if listed.candidates else kind_of(display) or _KINDS.get(snapshot.language)
        return Task(str(path), display, kind, snapshot.raw) if kind else None

    def examine(self, task: Task, snapshot: Snapshot, *, quick: bool) -> Analysis:
        """Everything that there is to say of an open file, for all targets. ``quick`` is for while one types."""
        looks = [aim.look(task, quick=quick) for aim in self._aims]
        reports = [report for report, _, _ in looks]
        report = joined(reports, self.settings.weigh) if len(reports) > 1 else reports[0]
        outcome = judge(report.findings, self.settings)
        known = self._split(outcome, task.display, quick=quick)
        settled = all(settled for _, _, settled in looks) and not (quick and self.settings.baseline)
        judged = [judged for _, judged, _ in looks if judged is not None]
        return Analysis(self, task, snapshot, outcome, known, judged, report.problems, settled)

    def rewrite(self, task: Task, *, safe_only: bool) -> FileChange | None:
        """What becomes of an open file when everything in it is rewritten; None where nothing does."""
        for aim in self._aims:
            aim.enter(task)
            made = rewritten(aim.run, aim.tasks, aim.facts, Report(), {task.display}, safe_only=safe_only)
            if made and made[0].changes:
                return made[0]
        return None

    def close(self, task: Task) -> None:
        """From now on the file is what it is on disk."""
        for aim in self._aims:
            aim.enter(task._replace(raw=None))

    def _split(self, outcome: Outcome, path: str, *, quick: bool) -> list[Finding]:
        """Take out of the errors what the baseline knows; while one types, what it knew before."""
        if not self.settings.baseline:
            return []
        errors = outcome.errors
        if not quick:
            try:
                against_baseline(outcome, Path(self.settings.baseline), [path], ())
            except BaselineError:
                return []  # `porter check` says what is the matter with it
            new = {id(finding) for finding in outcome.errors}
            self._known[path] = frozenset(finding.fingerprint for finding in errors if id(finding) not in new)
        known = self._known.get(path, frozenset())
        outcome.errors = [finding for finding in errors if finding.fingerprint not in known]
        return [finding for finding in errors if finding.fingerprint in known]
