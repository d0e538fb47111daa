"""What a scan amounts to: the numbers and groups that every scan report shows, as plain data."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable
from operator import attrgetter
from typing import TYPE_CHECKING, TypeVar

import msgspec

from porter.model import Finding, Verdict
from porter.report.effort import MODEL, Span, estimate
from porter.report.words import REWRITTEN, failing, is_file, tally
from porter.rules.base import FAMILIES

if TYPE_CHECKING:
    from porter.engine import Report

MOST_FILES = 10

K = TypeVar("K", bound=Hashable)


class Group(msgspec.Struct, frozen=True):
    """Findings that are told as one: those of one rule with one advice, of one file, of one family."""

    title: str
    count: int
    files: int
    verdicts: dict[Verdict, int]
    first: str  # location of the first one
    code: str = ""  # where all have the same
    advice: str = ""  # what most of them advise; empty where no advice holds for most
    symbols: dict[str, int] = {}


class Summary(msgspec.Struct, frozen=True):
    """A scan in numbers. ``uses`` are CUDA uses outside tests that do not work on the target as they are."""

    files: int
    lines: int
    uses: int
    rewritten: int
    by_hand: int  # have a known replacement that porter does not write in this kind of file, or for this target
    people: int
    blocked: int
    unknown: int
    verdicts: dict[Verdict, int]
    effort: dict[Verdict, Span]  # minutes left to people
    effort_total: Span
    effort_model: str
    blockers: tuple[Group, ...]
    decisions: tuple[Group, ...]
    reviews: tuple[Group, ...]
    hot_files: tuple[Group, ...]
    families: tuple[Group, ...]
    unknown_symbols: dict[str, int]
    tests: Group | None  # None where nothing, or everything, is test code


def summarise(report: Report, is_test: Callable[[str], bool]) -> Summary:
    """Sum up a scan. Findings in paths that are tests are counted apart, unless there are no others."""
    apart = {path for path in {finding.path for finding in report.findings} if is_test(path)}
    found = [finding for finding in report.findings if not is_file(finding)]
    tests = [finding for finding in found if finding.path in apart]
    product = [finding for finding in found if finding.path not in apart]
    if not product:
        tests, product = [], tests
    uses = failing(product)
    verdicts = tally(product)
    by_verdict: dict[Verdict, list[Finding]] = defaultdict(list)
    for finding in uses:
        by_verdict[finding.verdict].append(finding)
    unknown = by_verdict[Verdict.UNKNOWN]
    rewritten = sum(finding.fix is not None for v in REWRITTEN for finding in by_verdict[v])
    effort = {verdict: estimate(by_verdict[verdict]) for verdict in verdicts if by_verdict[verdict]}
    return Summary(
        files=report.files,
        lines=report.lines,
        uses=len(uses),
        rewritten=rewritten,
        by_hand=sum(len(by_verdict[v]) for v in REWRITTEN) - rewritten,
        people=len(by_verdict[Verdict.MANUAL]),
        blocked=len(by_verdict[Verdict.BLOCKED]),
        unknown=len(unknown),
        verdicts=verdicts,
        effort=effort,
        effort_total=sum(effort.values(), Span(0, 0)),
        effort_model=MODEL,
        blockers=_groups(by_verdict[Verdict.BLOCKED], attrgetter("code", "advice"), attrgetter("name")),
        decisions=_groups(by_verdict[Verdict.MANUAL], attrgetter("code", "advice"), attrgetter("name")),
        reviews=_groups(by_verdict[Verdict.REVIEW], attrgetter("code"), attrgetter("name")),
        hot_files=_groups(uses, attrgetter("path"), attrgetter("path"))[:MOST_FILES],
        families=_groups(uses, lambda f: f.code[3], lambda f: FAMILIES.get(f.code[3], "other")),
        unknown_symbols=dict(Counter(f.symbol or f.name for f in unknown).most_common()),
        tests=_group(tests, "test code") if tests else None,
    )


def _groups(
    findings: Iterable[Finding], key: Callable[[Finding], K], title: Callable[[Finding], str]
) -> tuple[Group, ...]:
    """Findings with the same key in one group each, the largest first."""
    members: dict[K, list[Finding]] = defaultdict(list)
    for finding in findings:
        members[key(finding)].append(finding)
    groups = [_group(group, title(group[0])) for group in members.values()]
    return tuple(sorted(groups, key=lambda g: (-g.count, g.title)))


def _group(findings: list[Finding], title: str) -> Group:
    first = findings[0]
    advice, share = Counter(f.advice for f in findings).most_common(1)[0]
    return Group(
        title=title,
        count=len(findings),
        files=len({f.path for f in findings}),
        verdicts=tally(findings),
        first=f"{first.path}:{first.line}",
        code=first.code if all(f.code == first.code for f in findings) else "",
        advice=advice if 2 * share > len(findings) else "",
        symbols=dict(Counter(f.symbol for f in findings if f.symbol).most_common()),
    )
