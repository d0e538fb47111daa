"""What `porter check` makes of a report: what fails it, what it shows, and what it passes over, counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from porter.config import Settings
from porter.gate.baseline import Entry
from porter.model import Finding, Problem, Severity, Verdict


class Outcome(msgspec.Struct):
    """The findings of a run, each in one of the lists or counted by one of the numbers."""

    errors: list[Finding] = []
    warnings: list[Finding] = []
    notes: list[Finding] = []
    known: int = 0  # to the baseline
    unchanged: int = 0  # on lines that have not changed
    gone: list[Entry] = []  # of the baseline, without a finding

    @property
    def guarded(self) -> int:
        """How many would count but for the test for CUDA that they run under."""
        return sum(finding.guarded and finding.verdict is not Verdict.PORTABLE for finding in self.notes)


def judge(findings: Iterable[Finding], settings: Settings) -> Outcome:
    """Share findings out by what the settings make of them."""
    outcome = Outcome()
    lists = {Severity.ERROR: outcome.errors, Severity.WARNING: outcome.warnings, Severity.NOTE: outcome.notes}
    for finding in findings:
        lists[settings.weigh(finding)].append(finding)
    return outcome


def against_baseline(outcome: Outcome, file: Path, paths: Sequence[str], problems: Iterable[Problem]) -> None:
    """Take out of the errors what the baseline knows. Raises BaselineError."""
    from porter.gate.known import Scope, compare

    new, gone = compare(file, Scope(file, paths, problems), outcome.errors)
    outcome.known, outcome.errors, outcome.gone = len(outcome.errors) - len(new), new, gone


def on_changed_lines(outcome: Outcome, touched: Callable[[Finding], bool]) -> None:
    """Keep what stands on lines that have changed."""
    before = len(outcome.errors)
    outcome.errors = [finding for finding in outcome.errors if touched(finding)]
    outcome.warnings = [finding for finding in outcome.warnings if touched(finding)]
    outcome.notes = [finding for finding in outcome.notes if touched(finding)]
    outcome.unchanged = before - len(outcome.errors)
