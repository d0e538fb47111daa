"""One report for several targets: what locks all of them out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from porter.config import Settings
from porter.engine import Report
from porter.model import Finding, Severity, Verdict

_EASIEST = (Verdict.PORTABLE, Verdict.AUTO, Verdict.REVIEW, Verdict.MANUAL, Verdict.UNKNOWN, Verdict.BLOCKED)

Place = tuple[str, int | None, int, int, str, str | None]


def each(settings: Settings) -> list[Settings]:
    """The settings for every target that they name."""
    return [msgspec.structs.replace(settings, target=target) for target in settings.targets or (settings.target,)]


def joined(reports: Sequence[Report], weigh: Callable[[Finding], Severity]) -> Report:
    """What the reports on every target have in common, in the order of the first.

    A place stands for as much as it does on the target where it weighs least, and says what that target says; of
    equals, the first. So a use fails the gate only where it fails on all of them.
    """
    first, *others = reports
    known = [{_place(finding): finding for finding in report.findings} for report in others]
    found = []
    for finding in first.findings:
        alike = [report.get(_place(finding)) for report in known]
        if None not in alike:
            same = [finding, *(other for other in alike if other is not None)]
            found.append(max(same, key=lambda f: (_MILDEST.index(weigh(f)), -_EASIEST.index(f.verdict))))
    seconds = sum(report.seconds for report in reports)
    return msgspec.structs.replace(first, findings=found, seconds=seconds)


_MILDEST = (Severity.ERROR, Severity.WARNING, Severity.NOTE)


def _place(finding: Finding) -> Place:
    return finding.path, finding.cell, finding.line, finding.column, finding.name, finding.symbol
