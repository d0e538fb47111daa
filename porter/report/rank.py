"""Which findings to tell where there is room for some of them only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from porter.model import Finding, Severity, Verdict

_SEVERITIES = tuple(Severity)
_VERDICTS = (Verdict.BLOCKED, Verdict.MANUAL, Verdict.UNKNOWN, Verdict.REVIEW, Verdict.AUTO, Verdict.PORTABLE)


def telling(findings: Sequence[Finding], weigh: Callable[[Finding], Severity]) -> list[int]:
    """The places of the findings in their list, those that tell a reader most first.

    What fails the gate comes before what does not; the first of each kind (one rule, one advice) before any
    second; then what costs people most. Ties keep their order.
    """
    seen: Counter[tuple[str, str]] = Counter()
    keys = []
    for place, finding in enumerate(findings):
        kind = finding.code, finding.advice
        keys.append((_SEVERITIES.index(weigh(finding)), seen[kind], _VERDICTS.index(finding.verdict), place))
        seen[kind] += 1
    return [place for *_, place in sorted(keys)]
