"""The proof for a person: a table, then what failed, what is doubtful, what ran where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from porter.report.page import Block, Column, Heading, Paragraph, Table
from porter.report.terminal import WIDEST, layout
from porter.verify.outcome import Measure, Outcome, Verdict
from porter.verify.report.model import Report

KINDS = ("loss", "output", "gradient", "update")
_COLUMNS = ("case", "on", "verdict", "loss", "outputs", "gradients", "updates", "seconds")
DETAIL_LINES = 30  # of a traceback
SHOWN = 6  # failed measures without --verbose


def render(report: Report, *, width: int, color: bool, verbose: bool) -> str:
    """The whole report."""
    return layout(_page(report, verbose), width=min(width, WIDEST), color=color) + _details(report) + _summary(report)


def _page(report: Report, verbose: bool) -> Iterator[Block]:
    yield Table(
        tuple(Column(title, right=number > 2) for number, title in enumerate(_COLUMNS)),
        tuple(_row(outcome) for outcome in report.outcomes),
    )
    yield Paragraph("Figures are the largest differences, each in relation to its scale (docs/verify.md).", "dim")
    for outcome in report.outcomes:
        yield from _explanation(outcome, verbose)
    for role, places in report.places().items():
        yield from (Paragraph(f"{role}: {place}") for place in places)
    for note in report.caveats():
        yield Paragraph(note, "dim")


def _row(outcome: Outcome) -> tuple[str, ...]:
    worst = (outcome.worst(kind) for kind in KINDS)
    figures = ("-" if value is None else f"{value:.1e}" if value else "0" for value in worst)
    return (
        outcome.case,
        outcome.backend,
        str(outcome.verdict),
        *figures,
        f"{outcome.seconds:.1f}" if outcome.seconds else "-",
    )


def _explanation(outcome: Outcome, verbose: bool) -> Iterator[Block]:
    if outcome.verdict is Verdict.PASS and not outcome.warnings and not verbose:
        return
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
    if verbose and outcome.counters:
        yield Paragraph("counters: " + ", ".join(f"{name} {value}" for name, value in outcome.counters.items()))


def _measures(measures: Iterable[Measure]) -> Table:
    columns = (
        Column("what"),
        Column("of"),
        Column(""),
        Column("maximum", right=True),
        Column("1 - cos", right=True),
        Column("note"),
    )
    rows = [
        (
            m.kind,
            m.name,
            "ok" if m.passed else "FAIL",
            _figure(m.maximum, m.limit),
            _figure(m.cosine, m.cosine_limit),
            m.note,
        )
        for m in measures
    ]
    return Table(columns, tuple(rows))


def _figure(value: float | None, limit: float | None) -> str:
    return "" if value is None else f"{value:.1e} / {limit:g}"


def _details(report: Report) -> str:
    """Tracebacks as they are: nothing is wrapped."""
    pieces = []
    for outcome in report.outcomes:
        if outcome.detail:
            lines = outcome.detail.splitlines()[-DETAIL_LINES:]
            pieces.append(f"\n{outcome.case} on {outcome.backend}:\n" + "".join(f"    {line}\n" for line in lines))
    return "".join(pieces)


def _summary(report: Report) -> str:
    return f"\n{report.summary()}\n"
