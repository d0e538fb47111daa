"""The scan report: which numbers and groups are told, in which order, and in which words."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from porter.model import Verdict
from porter.report.page import Bar, Block, Column, Commands, Heading, Item, Items, Paragraph, Table
from porter.report.summary import Group, Summary, summarise
from porter.report.words import MEANINGS, REWRITTEN, TOLD, breakdown, file_name, percent, plural
from porter.targets import TARGETS

if TYPE_CHECKING:
    from porter.engine import Report
    from porter.report.view import View

MOST_PROBLEMS = 5
MOST_ITEMS = 12
MOST_SYMBOLS = 3  # named per item
MOST_UNKNOWN = 20


def compose(report: Report, view: View) -> Iterator[Block]:
    """Yield the report block by block."""
    summary = summarise(report, view.settings.is_test)
    yield Heading(f"porter scan {' '.join(view.paths)}", level=1)
    size = f"{plural(report.files, 'file')}, {plural(report.lines, 'line')}, {report.seconds:.1f} s"
    yield Paragraph(f"{size}. Target {view.target}: {TARGETS[view.target].versions}.", style="dim")
    yield Paragraph(headline(summary), style="bold")
    if summary.uses:
        yield from _verdicts(summary)
        yield from _groups("Blockers", summary.blockers)
        yield from _groups("Decisions for a person", summary.decisions)
        yield from _groups("To read after the rewrite", summary.reviews)
        yield from _counts("Files with the most uses", "File", summary.hot_files)
        yield from _counts("Uses by area", "Area", summary.families)
    yield from _unknown(summary)
    yield from _apart(summary)
    yield from _problems(report)
    if summary.uses:
        yield Heading("How the work is reckoned")
        yield Paragraph(summary.effort_model, style="dim")
    if summary.uses or summary.tests:
        yield Heading("Next")
        yield _next(summary, view)


def headline(summary: Summary) -> str:
    """The scan in one sentence."""
    if not summary.uses:
        return "No CUDA use that needs a change."
    share = percent(summary.rewritten, summary.uses)
    parts = [f"porter rewrites {summary.rewritten:,} of {plural(summary.uses, 'CUDA use')} ({share})"]
    if summary.by_hand:
        have = "has" if summary.by_hand == 1 else "have"
        parts.append(f"{summary.by_hand:,} more {have} a known replacement, to be written by hand")
    if summary.people:
        parts.append(f"{summary.people:,} {'needs' if summary.people == 1 else 'need'} a person")
    if summary.blocked:
        parts.append(f"{summary.blocked:,} {'is' if summary.blocked == 1 else 'are'} blocked")
    if summary.unknown:
        parts.append(f"{summary.unknown:,} {'is' if summary.unknown == 1 else 'are'} unknown to porter")
    return "; ".join(parts) + "."


def _verdicts(summary: Summary) -> Iterator[Block]:
    yield Bar({verdict: count for verdict, count in summary.verdicts.items() if verdict in TOLD})
    rows = []
    for verdict, count in summary.verdicts.items():
        share = percent(count, summary.uses) if verdict in TOLD else "-"
        rows.append((str(verdict), f"{count:,}", share, str(summary.effort.get(verdict, "-")), MEANINGS[verdict]))
    at = len(rows) - (Verdict.PORTABLE in summary.verdicts)
    total = str(summary.effort_total)
    rows.insert(at, ("to change", f"{summary.uses:,}", "100 %", total, "all of these, and the work left for people"))
    columns = (
        Column("Verdict"),
        Column("Uses", right=True),
        Column("Share", right=True),
        Column("Work left", right=True),
        Column("Meaning"),
    )
    yield Table(columns, tuple(rows))


def _groups(title: str, groups: Sequence[Group]) -> Iterator[Block]:
    """What a person has to deal with, one item per group."""
    if not groups:
        return
    yield Heading(title)
    yield Items(tuple(Item(g.count, g.code, _named(g), g.first, g.advice) for g in groups[:MOST_ITEMS]))
    if len(groups) > MOST_ITEMS:
        rest = groups[MOST_ITEMS:]
        uses = plural(sum(g.count for g in rest), "use")
        yield Paragraph(f"and {plural(len(rest), 'more kind')} with {uses}: `porter check` lists them", "dim")


def _named(group: Group) -> str:
    """The group's title, with the symbols that it is mostly about where those say more."""
    symbols = [f"`{s}`" for s in group.symbols if s != group.title]
    if not symbols:
        return group.title
    more = len(symbols) - MOST_SYMBOLS
    return f"{group.title} ({', '.join(symbols[:MOST_SYMBOLS])}{f' and {more} more' if more > 0 else ''})"


def _counts(title: str, what: str, groups: Sequence[Group]) -> Iterator[Block]:
    """How a group's uses spread over the verdicts; verdicts that occur nowhere have no column."""
    if not groups:
        return
    seen = [verdict for verdict in TOLD if any(verdict in g.verdicts for g in groups)]
    columns = (
        Column(what),
        Column("Uses", right=True),
        *(Column(str(v), right=True, extra=v in REWRITTEN, verdict=v) for v in seen),
    )
    yield Heading(title)
    yield Table(
        columns,
        tuple((g.title, f"{g.count:,}", *(f"{g.verdicts.get(v, 0) or '-'}" for v in seen)) for g in groups),
        tuple(g.verdicts for g in groups),
    )


def _unknown(summary: Summary) -> Iterator[Block]:
    if not summary.unknown_symbols:
        return
    yield Heading("Unknown to porter")
    items = list(summary.unknown_symbols.items())
    names = ", ".join(f"`{name}` ({count})" for name, count in items[:MOST_UNKNOWN])
    more = len(items) - MOST_UNKNOWN
    yield Paragraph(names + (f" and {more} more" if more > 0 else "") + ". Neither rewritten nor judged: look them up.")


def _apart(summary: Summary) -> Iterator[Block]:
    if summary.tests:
        where = f"{plural(summary.tests.count, 'use')} in {plural(summary.tests.files, 'file')}"
        yield Paragraph(f"Test code, counted apart: {where} ({breakdown(summary.tests.verdicts)}).", style="dim")


def _problems(report: Report) -> Iterator[Block]:
    if not report.problems:
        return
    yield Heading("Not looked at")
    for problem in report.problems[:MOST_PROBLEMS]:
        path = file_name(problem.path)
        place = path if problem.line is None else f"{path}:{problem.line}"
        yield Paragraph(f"{place}: {problem.message}")
    if len(report.problems) > MOST_PROBLEMS:
        yield Paragraph(f"and {len(report.problems) - MOST_PROBLEMS:,} more: `porter scan --format json` lists them")


def _next(summary: Summary, view: View) -> Commands:
    paths = " ".join(shlex.quote(path) for path in view.paths)
    target = "" if view.target == "neuron" else f" --target {view.target}"
    lines = [
        (f"porter rewrite{target} {paths}", "see the patch"),
        (f"porter rewrite --write{target} {paths}", "apply it"),
        (f"porter check{target} {paths}", "see what is left, line by line"),
    ]
    top = next(iter((*summary.blockers, *summary.decisions)), None)
    if top and top.code:
        lines.append((f"porter explain {top.code}", f"read about {top.title}"))
    return Commands(tuple(lines))
