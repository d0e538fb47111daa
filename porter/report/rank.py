"""Which findings to tell where there is room for some of them only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from porter.model import Finding, Severity, Verdict

_SEVERITIES = tuple(Severity)
_VERDICTS = (Verdict.BLOCKED, Verdict.MANUAL, Verdict.UNKNOWN, Verdict.REVIEW, Verdict.AUTO, Verdict.PORTABLE)


def telling(findings: Iterable[Finding], weigh: Callable[[Finding], Severity]) -> list[Finding]:
    """The findings, those that tell a reader most first.

    What fails the gate comes before what does not; the first of each kind (one rule, one advice) before any
    second; then what costs people most. Ties keep their order.
    """
    seen: Counter[tuple[str, str]] = Counter()
    keyed = []
    for finding in findings:
        kind = finding.code, finding.advice
        keyed.append(((_SEVERITIES.index(weigh(finding)), seen[kind], _VERDICTS.index(finding.verdict)), finding))
        seen[kind] += 1
    keyed.sort(key=lambda pair: pair[0])
    return [finding for _, finding in keyed]
