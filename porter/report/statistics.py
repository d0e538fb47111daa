"""Findings by rule, counted: `check --statistics`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from porter.model import Finding
from porter.report.stream import dump
from porter.report.words import breakdown, plural, tally

if TYPE_CHECKING:
    from porter.engine import Report
    from porter.report.view import View

MACHINES = ("json", "jsonl")  # formats under which the counts are data, too


class Count(msgspec.Struct, frozen=True):
    """One rule. Field order and names are what ``--format json`` prints."""

    code: str
    name: str
    count: int
    files: int
    fixable: int
    verdicts: dict[str, int]


def counts(findings: list[Finding]) -> list[Count]:
    """The rules that have findings, the most frequent first."""
    by_rule: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        by_rule[finding.code, finding.name].append(finding)
    found = [
        Count(
            *rule,
            count=len(members),
            files=len({finding.path for finding in members}),
            fixable=sum(finding.fix is not None for finding in members),
            verdicts={str(verdict): count for verdict, count in tally(members).items()},
        )
        for rule, members in by_rule.items()
    ]
    return sorted(found, key=lambda rule: (-rule.count, rule.code))


def render(report: Report, view: View) -> Iterator[str]:
    """Yield one line per rule, or JSON where the settings ask for it."""
    found = counts(report.findings)
    if view.settings.output_format in MACHINES:
        yield dump(found)
        return
    for rule in found:
        star = view.paint("[*]", "cyan") if rule.fixable else "   "
        verdicts = {
            verdict: rule.verdicts[str(verdict)] for verdict in tally(report.findings) if str(verdict) in rule.verdicts
        }
        code = view.paint(rule.code, "bold")
        yield f"{rule.count:>7,}  {code} {star} {rule.name} ({plural(rule.files, 'file')}: {breakdown(verdicts)})\n"
