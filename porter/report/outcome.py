"""What a rewrite did and did not do, for the person who ran it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from porter.model import Finding, Verdict
from porter.report.paint import Paint
from porter.report.words import breakdown, failing, first_sentence, location, plural, tally

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
    if reviews := [finding for finding in applied if finding.verdict is Verdict.REVIEW]:
        yield "Read what changed for review:"
        yield from _groups(reviews, paint)
    dropped = [pair for change in result.files for pair in change.dropped]
    settled = {_key(finding) for finding in applied} | {_key(finding) for finding, _ in dropped}
    left = [finding for finding in failing(result.report.findings) if _key(finding) not in settled]
    if unsafe := [finding for finding in left if finding.fix is not None]:
        yield f"Left out by --safe-only: {breakdown(tally(unsafe))}."
    if people := [finding for finding in left if finding.fix is None]:
        yield f"Left to people: {breakdown(tally(people))}."
        yield from _groups(people, paint)
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


def _groups(findings: Sequence[Finding], paint: Paint) -> Iterator[str]:
    """Findings by rule, the most frequent first, each with the gist of what most of them advise."""
    groups: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        groups[finding.code].append(finding)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    for code, members in ordered[:MOST]:
        advice, _ = Counter(f.advice or f.message for f in members).most_common(1)[0]
        yield f"  {len(members):>4,}  {code} {paint(members[0].name, 'bold')}: {first_sentence(advice)}"
    if len(ordered) > MOST:
        yield f"        and {plural(len(ordered) - MOST, 'more rule')}: `porter check` lists them"
