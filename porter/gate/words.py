"""What `porter check` says when it is done: what it found, what it passed over and why, and what to do next."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

from porter.config import DEFAULT_FAIL_ON, Settings
from porter.gate.gate import Outcome
from porter.model import Finding, Verdict
from porter.report.paint import Paint
from porter.report.statistics import counts
from porter.report.words import breakdown, plural, tally, visible

MANY = 100  # findings, from which on they are also summed up
MOST = 5  # rules and folders that are named then
MOST_GONE = 20


def found(outcome: Outcome, paint: Paint, *, verbose: bool) -> Iterator[str]:
    """Yield what fails, what is warned of, and what can be rewritten."""
    errors = outcome.errors
    portable = sum(finding.verdict is Verdict.PORTABLE for finding in outcome.notes) if verbose else 0
    besides = [plural(len(outcome.warnings), "warning")] if outcome.warnings else []
    besides += [f"{portable:,} portable"] if portable else []
    if errors:
        yield f"Found {plural(len(errors), 'finding')}: {', and '.join([breakdown(tally(errors)), *besides])}."
        if fixable := sum(finding.fix is not None for finding in errors):
            yield f"{paint('[*]', 'cyan')} {fixable:,} can be rewritten with `porter rewrite`."
    elif outcome.warnings:
        yield f"Found {besides[0]}."
    if len(errors) > MANY:
        yield from _most(errors, paint)


def passed_over(outcome: Outcome, settings: Settings, since: str | None) -> Iterator[str]:
    """Yield what does not count, and by which rule of the gate."""
    if outcome.known:
        yield f"{outcome.known:,} more {_are(outcome.known)} known to {_shown(settings.baseline or '')}."
    if outcome.unchanged:
        yield f"{outcome.unchanged:,} more {_are(outcome.unchanged)} on lines that have not changed since {since}."
    if guarded := outcome.guarded:
        runs = "runs" if guarded == 1 else "run"
        yield f"{guarded:,} more {runs} only under a test for CUDA: -v shows, --guarded counts them."
    others = len(outcome.notes) - guarded - sum(f.verdict is Verdict.PORTABLE for f in outcome.notes)
    if others and settings.fail_on != DEFAULT_FAIL_ON:
        wanted = ", ".join(settings.fail_on) or "nothing"
        yield f"{others:,} more {_are(others)} let pass: the gate fails on {wanted} (-v shows them)."


def gone(outcome: Outcome, settings: Settings) -> Iterator[str]:
    """Yield the entries of the baseline that have no finding any more."""
    for entry in outcome.gone[:MOST_GONE]:
        yield f"{_shown(settings.baseline or '')}: no longer there: {entry.path}: {entry.code} {entry.text}"
    if len(outcome.gone) > MOST_GONE:
        yield f"{_shown(settings.baseline or '')}: and {len(outcome.gone) - MOST_GONE:,} more"


def _most(findings: list[Finding], paint: Paint) -> Iterator[str]:
    """Where most of them are, for somebody who will not read them all."""
    rules = counts(findings)
    yield "Most of them, by rule:"
    for rule in rules[:MOST]:
        yield f"{rule.count:>9,}  {rule.code} {paint(rule.name, 'bold')}, in {plural(rule.files, 'file')}"
    if len(rules) > MOST:
        yield f"{sum(rule.count for rule in rules[MOST:]):>9,}  of {plural(len(rules) - MOST, 'other rule')}"
    folders = Counter(_folder(finding.path) for finding in findings)
    if len(folders) > 1:
        yield "and by folder:"
        for folder, count in sorted(folders.items(), key=lambda item: (-item[1], item[0]))[:MOST]:
            yield f"{count:>9,}  {visible(folder)}"
    yield "`porter check --write-baseline` takes them as known: the gate then fails on new ones only."


def _folder(path: str) -> str:
    """The first two parts of a path that are folders."""
    parts = path.split("/")[:-1]
    return "/".join(parts[:2]) + "/" if parts else "./"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _shown(path: str) -> str:
    inside = os.path.relpath(path)
    return visible(path if inside.startswith("..") else inside)
