"""The proof for a person: a table, then what ran where, what failed and what is doubtful."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from porter.report.excerpt import display
from porter.report.page import Block, Column, Heading, Paragraph, Table
from porter.report.terminal import WIDEST, layout
from porter.report.words import visible
from porter.verify.outcome import Measure, Outcome, Verdict
from porter.verify.report.model import Report

KINDS = ("loss", "output", "gradient", "update")
_TITLES = ("case", "on", "verdict", "loss", "outputs", "gradients", "updates", "seconds")
_COUNTERS = ("case", "on", "graphs compiled", "reused", "seconds compiling", "left to the CPU")
SCALES = "Figures are the largest differences, each in relation to its scale (docs/verify.md)."
DETAIL_LINES = 40  # of a traceback
SHOWN = 6  # failed measures without --verbose
LISTED = 5  # operators in a line of counters


def render(report: Report, *, width: int, color: bool, verbose: bool) -> str:
    """The whole report."""
    page = layout(_page(report, verbose), width=min(width, WIDEST), color=color)
    return f"{page}{_details(report)}\n{report.summary()}\n"


def _page(report: Report, verbose: bool) -> Iterator[Block]:
    columns = tuple(Column(title, right=number > 2) for number, title in enumerate(_TITLES))
    yield Table(columns, tuple(_row(outcome) for outcome in report.outcomes))
    if any(outcome.measures for outcome in report.outcomes):
        yield Paragraph(SCALES, "dim")
    places = [(role, place) for role, found in report.places().items() for place in found]
    if places:
        yield Table((Column("what"), Column("ran on")), tuple(places))
    counted = [_counters(outcome) for outcome in report.outcomes if outcome.counters]
    if counted:
        yield Table(tuple(Column(title, right=2 <= n <= 4) for n, title in enumerate(_COUNTERS)), tuple(counted))
    yield from (Paragraph(note) for note in report.caveats())
    for outcome in report.outcomes:
        if outcome.verdict is Verdict.FAIL or outcome.warnings or (verbose and outcome.ran):
            yield from _explanation(outcome, verbose)
    for (backend, reason), cases in _not_run(report).items():
        yield Heading(f"{backend}: {Verdict.UNVERIFIED}")
        yield Paragraph(f"{', '.join(cases)}: {reason}")


def _row(outcome: Outcome) -> tuple[str, ...]:
    worst = (outcome.worst(kind) for kind in KINDS)
    figures = ("-" if value is None else f"{value:.1e}" if value else "0" for value in worst)
    seconds = f"{outcome.seconds:.1f}" if outcome.seconds else "-"
    return (outcome.case, outcome.backend, str(outcome.verdict), *figures, seconds)


def _explanation(outcome: Outcome, verbose: bool) -> Iterator[Block]:
    yield Heading(f"{outcome.case} on {outcome.backend}: {outcome.verdict}")
    if outcome.reason:
        yield Paragraph(outcome.reason)
    if outcome.first_divergence:
        yield Paragraph(f"First divergence: {outcome.first_divergence}.", "bold")
    measures = outcome.measures if verbose else tuple(m for m in outcome.measures if not m.passed)[:SHOWN]
    if measures:
        yield _measures(measures)
    for warning in outcome.warnings:
        yield Paragraph(f"warning: {warning}")


def _measures(measures: Iterable[Measure]) -> Table:
    rows = []
    for m in measures:
        figures = _figure(m.maximum, m.limit), _figure(m.cosine, m.cosine_limit)
        rows.append((m.kind, m.name, "ok" if m.passed else "FAIL", *figures, m.note))
    titles = ("kind", "of", "", "maximum / limit", "1 - cos / limit", "note")
    return Table(tuple(Column(title, right=number in (3, 4)) for number, title in enumerate(titles)), tuple(rows))


def _figure(value: float | None, limit: float | None) -> str:
    return "" if value is None else f"{value:.1e} / {limit:g}"


def _counters(outcome: Outcome) -> tuple[str, ...]:
    """Graphs compiled and reused and the time for that, where the backend compiles, and what ran on the CPU instead."""
    counters = outcome.counters
    seconds = counters.get("compile_seconds")
    fallbacks = counters.get("cpu_fallbacks") or {}
    fallbacks = fallbacks if isinstance(fallbacks, dict) else dict.fromkeys(fallbacks, "")
    listed = [f"{name} {count}".strip() for name, count in fallbacks.items()]
    more = [f"and {len(listed) - LISTED} more"] if len(listed) > LISTED else []
    return (
        outcome.case,
        outcome.backend,
        str(counters.get("compiled", "-")),
        str(counters.get("reused", "-")),
        "-" if seconds is None else f"{seconds:.1f}",
        ", ".join(listed[:LISTED] + more) or "none",
    )


def _not_run(report: Report) -> dict[tuple[str, str], list[str]]:
    """Cases by backend and reason for which they are UNVERIFIED."""
    found: dict[tuple[str, str], list[str]] = {}
    for outcome in report.outcomes:
        if not outcome.ran:
            found.setdefault((outcome.backend, outcome.reason), []).append(outcome.case)
    return found


def _details(report: Report) -> str:
    """Tracebacks by their lines: nothing is wrapped, and nothing that a program has said steers a terminal or a log."""
    pieces = []
    for outcome in report.outcomes:
        if outcome.detail:
            lines = outcome.detail.splitlines()[-DETAIL_LINES:]
            pieces.append(f"\n{visible(outcome.case)} on {outcome.backend}:\n")
            pieces += [f"    | {display(line)}\n" for line in lines]
    return "".join(pieces)
