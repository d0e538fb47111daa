"""What a rewrite did and did not do, in a screen: for who runs it, and for whoever is told the numbers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from porter.model import Effort, Evidence, Finding, Verdict
from porter.report.effort import estimate
from porter.report.paint import VERDICT_STYLES, Paint
from porter.report.words import (
    MEANINGS,
    failing,
    first_sentence,
    is_file,
    location,
    percent,
    plural,
    tally,
    visible,
)

if TYPE_CHECKING:
    from porter.engine import RewriteReport


class Command(NamedTuple):
    """A command line to copy, and what it is for."""

    line: str
    purpose: str


LONG = 16  # a word that is cut rather than left out
MOST = 4  # places to read, and drops, that are named

BY_HAND = "porter knows what to write, and does not write it there"
_DOUBTFUL = (Evidence.C, Evidence.D)  # in this order
_EFFORTS = tuple(Effort)


def tell(
    result: RewriteReport,
    paint: Paint,
    width: int,
    *,
    done: str,
    following: Sequence[Command],
    safe_only: bool = False,
) -> Iterator[str]:
    """Yield lines: how much is rewritten, what is left to people and why, what to read first, what next.

    ``done`` says what happened to the files, ``{}`` standing for them ("Would rewrite {}"). With ``safe_only``, what
    needs review was left out; what else could be rewritten and is not, the user has left. Lines are cut to ``width``
    columns, but for commands.
    """
    applied = [finding for change in result.files for finding in change.applied]
    changed = sum(change.after != change.before for change in result.files)
    dropped = [pair for change in result.files for pair in change.dropped]
    told = [*applied, *(finding for finding, _ in dropped)]
    settled = {_key(finding) for finding in told}
    left = [finding for finding in failing(result.report.findings) if _key(finding) not in settled]
    if changed:
        uses = len(told) + sum(not is_file(finding) for finding in left)
        what = f": {len(applied):,} of {plural(uses, 'CUDA use')} ({percent(len(applied), uses)})" if applied else ""
        yield paint(f"{done.replace('{}', plural(changed, 'file'))}{what}.", "bold")
    else:
        yield "Nothing to rewrite."
    yield from (f"  {count:>5,}  {verdict}: {MEANINGS[verdict]}" for verdict, count in tally(applied).items())
    yield from _left(left, safe_only, width)
    yield from (_cut(line, width) for line in _dropped(dropped))
    yield from _to_read(applied, paint, width)
    if following:
        yield "Next:"
        lines = [(visible(command.line), command.purpose) for command in following]
        longest = max(len(line) for line, _ in lines)
        yield from (f"  {line:<{longest}}  {paint(f'# {purpose}', 'dim')}" for line, purpose in lines)


def _left(left: Sequence[Finding], safe_only: bool, width: int) -> Iterator[str]:
    """What is left to people, by the reason."""
    people = [finding for finding in left if finding.fix is None]
    reasons = {verdict: MEANINGS[verdict] for verdict in (Verdict.MANUAL, Verdict.BLOCKED, Verdict.UNKNOWN)}
    groups: dict[str, list[Finding]] = defaultdict(list)
    for finding in people:
        groups[reasons.get(finding.verdict, BY_HAND)].append(finding)
    if people:
        yield f"Left to people: {plural(len(people), 'use')}, about {estimate(people)} of work."
    for reason, members in sorted(groups.items(), key=lambda item: -len(item[1])):
        yield _kinds(f"  {len(members):>5,}  {reason}", members, width)
    able: dict[str, list[Finding]] = defaultdict(list)
    for finding in left:
        if finding.fix is not None:
            unsafe = safe_only and finding.verdict is Verdict.REVIEW
            able["Left out by --safe-only" if unsafe else "Left as you chose"].append(finding)
    for why, members in able.items():
        yield _kinds(f"{why}: {plural(len(members), 'use')}", members, width)


def _kinds(head: str, findings: Iterable[Finding], width: int) -> str:
    """A line that ends in the findings' rules, the most frequent first, as many as there is room for."""
    counts = Counter(finding.name for finding in findings).most_common()
    names = [f"{name} ({count:,})" if count > 1 else name for name, count in counts]
    for shown in range(len(names), 0, -1):
        more = f" and {plural(len(names) - shown, 'more rule')}" if shown < len(names) else ""
        line = f"{head}: {', '.join(names[:shown])}{more}"
        if len(line) <= width:
            return line
    return head


def _dropped(dropped: Sequence[tuple[Finding, str]]) -> Iterator[str]:
    if dropped:
        yield f"Dropped, so that nothing breaks: {plural(len(dropped), 'edit')}."
    for finding, reason in dropped[:MOST]:
        yield f"  {location(finding)}: {finding.code} {reason}"
    if len(dropped) > MOST:
        yield f"  and {len(dropped) - MOST:,} more"


def _to_read(applied: Sequence[Finding], paint: Paint, width: int) -> Iterator[str]:
    """Where what is rewritten behaves differently: one place of each kind, the least sure and the dearest first."""
    kinds: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in applied:
        if finding.verdict is Verdict.REVIEW:
            kinds[finding.code, first_sentence(finding.advice)].append(finding)
    if not kinds:
        return
    count = sum(map(len, kinds.values()))
    ordered = sorted(kinds.values(), key=lambda members: _risk(members[0], len(members)))
    yield _cut(f"Read first, of {plural(count, 'change')} to review:", width)
    for members in ordered[:MOST]:
        more = f" (+{len(members) - 1:,})" if len(members) > 1 else ""
        place, rule = f"  {location(members[0])}{more}: ", members[0].name
        line = _cut(f"{place}{rule}: {_gist(members[0])}", width)
        yield line.replace(f"{place}{rule}", f"{place}{paint(rule, VERDICT_STYLES[Verdict.REVIEW])}", 1)


def _risk(finding: Finding, places: int) -> tuple[int, int, int, int]:
    """What sorts first is to be read first: what is known least, costs most, changes most, and happens most."""
    edits = len(finding.fix.edits) if finding.fix is not None else 0
    doubt = _DOUBTFUL.index(finding.evidence) + 1 if finding.evidence in _DOUBTFUL else 0
    return -doubt, -_EFFORTS.index(finding.effort), -edits, -places


def _gist(finding: Finding) -> str:
    """What its advice says beyond what to write, or that."""
    written = first_sentence(finding.advice)
    return first_sentence(finding.advice[len(written) :].strip()) or written


def _cut(line: str, width: int) -> str:
    """The line in ``width`` columns."""
    shown = visible(line)
    if len(shown) <= width:
        return shown
    words = shown[: width - 4].rpartition(" ")[0].rstrip(",:")
    return f"{words} ..." if len(words) > width - LONG else f"{shown[: width - 3]}..."


def _key(finding: Finding) -> tuple[str, str]:
    """What a finding is known by after lines have moved: one of a later round may stand for one of the first."""
    return finding.path, finding.fingerprint
