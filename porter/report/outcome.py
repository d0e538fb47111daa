"""What a rewrite did and did not do, for the person who ran it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from porter.model import Finding, Verdict
from porter.report.paint import VERDICT_STYLES, Paint
from porter.report.words import REWRITTEN, breakdown, failing, location, plural, tally

if TYPE_CHECKING:
    from porter.engine import RewriteReport

MOST = 8  # groups and drops that are named


def tell(result: RewriteReport, paint: Paint, *, done: str, following: str) -> Iterator[str]:
    """Yield lines: how much changed, what to read, what is left to people and why, what was dropped, what next.

    ``done`` is the verb for what happened to the files ("Rewrote", "Would rewrite"), ``following``
    the next command.
    """
    applied = [finding for change in result.files for finding in change.applied]
    if changed := sum(change.after != change.before for change in result.files):
        yield paint(f"{done} {plural(changed, 'file')}: {breakdown(tally(applied))}.", "bold")
    else:
        yield "Nothing to rewrite."
    yield from _groups("Read what changed for review", [f for f in applied if f.verdict is Verdict.REVIEW], paint)

    dropped = [pair for change in result.files for pair in change.dropped]
    settled = {_key(finding) for finding in applied} | {_key(finding) for finding, _ in dropped}
    left = [finding for finding in failing(result.report.findings) if _key(finding) not in settled]
    if left:
        yield f"Left to people: {breakdown(tally(left))}."
        yield from _groups("", [f for f in left if f.verdict not in REWRITTEN], paint)
    if dropped:
        yield f"Dropped, so that nothing breaks: {plural(len(dropped), 'edit')}."
        for finding, reason in dropped[:MOST]:
            yield f"  {location(finding)}: {finding.code} {reason}"
        if len(dropped) > MOST:
            yield f"  and {len(dropped) - MOST:,} more"
    if following:
        yield f"Next: {following}"


def _key(finding: Finding) -> tuple[str, int | None, int, int, str]:
    return finding.path, finding.cell, finding.line, finding.column, finding.code


def _groups(title: str, findings: Sequence[Finding], paint: Paint) -> Iterator[str]:
    """Findings by rule, the most frequent first, each with the advice that most of them carry."""
    groups: dict[tuple[str, Verdict], list[Finding]] = defaultdict(list)
    for finding in findings:
        groups[finding.code, finding.verdict].append(finding)
    if title and groups:
        yield f"{title}:"
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0][0]))
    for (code, verdict), members in ordered[:MOST]:
        advice = Counter(f.advice or f.message for f in members).most_common(1)[0][0]
        label = paint(str(verdict), VERDICT_STYLES[verdict])
        yield f"  {len(members):>4,}  {code} {members[0].name} ({label}): {advice}"
    if len(ordered) > MOST:
        yield f"        and {plural(len(ordered) - MOST, 'more kind')}: `porter check` lists them"
