"""How much work is left for people: a range, from a model that is printed beside it.

Ten uses of one construct are not ten decisions. A kind of finding (one rule, one advice) costs
its full effort once, one step less in every further file, and a minute or two per repeat within
a file.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from porter.model import Effort, Finding, Verdict

HOUR = 60
DAY = 8 * HOUR  # a working day


class Span(msgspec.Struct, frozen=True):
    """Minutes of work, from ``low`` to ``high``."""

    low: float
    high: float

    def __add__(self, other: Span) -> Span:
        return Span(self.low + other.low, self.high + other.high)

    def __str__(self) -> str:
        """``10-45 minutes``, ``2-9 hours``, ``3.5-14 days``; ``nothing`` for no work."""
        if not self.high:
            return "nothing"
        for unit, minutes, most in (("minutes", 1, 90), ("hours", HOUR, 2 * DAY)):
            if self.high <= most:
                return f"{_number(self.low / minutes)}-{_number(self.high / minutes)} {unit}"
        return f"{_number(self.low / DAY)}-{_number(self.high / DAY)} days"


COST = {
    Effort.NONE: Span(0, 0),
    Effort.MINUTES: Span(2, 10),
    Effort.HOURS: Span(1 * HOUR, 4 * HOUR),
    Effort.DAYS: Span(1 * DAY, 5 * DAY),
}
REPEAT = Span(1, 2)
_LESS = {Effort.DAYS: Effort.HOURS, Effort.HOURS: Effort.MINUTES, Effort.MINUTES: Effort.MINUTES}

MODEL = (
    "minutes = 2-10 minutes, hours = 1-4 hours, days = 1-5 working days of 8 hours. "
    "The first place of a kind (one rule, one advice) counts in full, each further file with it one step less "
    "(days as hours, hours as minutes), each repeat within a file 1-2 minutes, "
    "and so does each replacement that is known but written by hand. "
    "Reading what porter rewrote for review is included; training runs to confirm the result are not."
)


def estimate(findings: Iterable[Finding]) -> Span:
    """The work that ``findings`` leave to people. The dearest place of a kind is taken as its first."""
    total = Span(0, 0)
    kinds: dict[tuple[str, str], set[str]] = {}
    order = list(Effort)
    for finding in sorted(findings, key=lambda f: -order.index(f.effort)):
        if finding.effort is Effort.NONE:
            if finding.verdict is Verdict.AUTO and finding.fix is None:
                total += REPEAT
            continue
        files = kinds.setdefault((finding.code, finding.advice), set())
        if not files:
            total += COST[finding.effort]
        elif finding.path in files:
            total += REPEAT
        else:
            total += COST[_LESS[finding.effort]]
        files.add(finding.path)
    return total


def _number(value: float) -> str:
    """Two digits at most: an estimate has no more."""
    if value < 10:
        return f"{max(round(value * 2) / 2, 0.5):g}"
    return f"{round(value):,}"
