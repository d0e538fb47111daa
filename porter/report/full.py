"""Findings with their source, as compilers show them: where, why, what to do, what porter would write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import TYPE_CHECKING

from porter.model import Finding
from porter.report.excerpt import columns, common, display
from porter.report.paint import VERDICT_STYLES
from porter.report.words import MEANINGS, is_file, location, visible

if TYPE_CHECKING:
    from porter.engine import Report
    from porter.report.view import View

CONTEXT = 2  # lines of source shown before and after
LONGEST = 160  # columns of a source line; longer ones are cut around the finding


def render(report: Report, view: View) -> Iterator[str]:
    """Yield one block per finding, each followed by an empty line."""
    for finding in report.findings:
        yield "\n".join(_block(finding, view)) + "\n\n"


def _block(finding: Finding, view: View) -> Iterator[str]:
    paint = view.paint
    file = view.file(finding.path)
    source, fixed = file.lines(finding.cell), file.changes(finding)
    last = max([finding.line + CONTEXT, *(change.line + len(change.after) for change in fixed)])
    gutter = " " * len(str(last))
    bar = paint("|", "blue")

    star = paint("[*] ", "cyan") if finding.fix else ""
    yield f"{view.code(finding, 'bold red')} {star}{paint(visible(finding.message), 'bold')}"
    yield f"{gutter}{paint('-->', 'blue')} {location(finding)}"
    if finding.line <= len(source):
        yield f"{gutter} {bar}"
        yield from _frame(finding, source, view, len(gutter))
        yield f"{gutter} {bar}"
    if not is_file(finding):
        verdict = paint(str(finding.verdict), "bold " + VERDICT_STYLES[finding.verdict])
        yield f"{gutter} {paint('=', 'blue')} {verdict}: {visible(finding.advice) or MEANINGS[finding.verdict]}"
    if fixed:
        yield f"{paint('help', 'bold cyan')}: `porter rewrite` changes this"
        for change in fixed:
            for number, line in enumerate(_shown(change.before, change.after), change.line):
                yield _plain_end(f"{number:>{len(gutter)}} {paint('- ' + line, 'red')}")
            for number, line in enumerate(_shown(change.after, change.before), change.line):
                yield _plain_end(f"{number:>{len(gutter)}} {paint('+ ' + line, 'green')}")


def _shown(lines: Sequence[str], others: Sequence[str]) -> Iterator[str]:
    """Lines of a change; long ones are cut around what differs from the line in their place."""
    for line, other in zip(lines, (*others, *repeat("", len(lines))), strict=False):
        head = common(line, other)
        tail = common(line[:head:-1], other[:head:-1])
        yield "".join(_cut(line, head, len(line) - tail))


def _frame(finding: Finding, source: list[str], view: View, width: int) -> Iterator[str]:
    """The finding's line, the lines around it, and carets under the span."""
    paint = view.paint
    first = max(finding.line - CONTEXT, 1)
    last = min(finding.line + CONTEXT, len(source))
    while first < finding.line and not source[first - 1].strip():
        first += 1
    while last > finding.line and not source[last - 1].strip():
        last -= 1
    for number in range(first, last + 1):
        line = source[number - 1]
        prefix = f"{paint(f'{number:>{width}} |', 'blue')} "
        if number != finding.line:
            yield _plain_end(prefix + display(line)[:LONGEST])
            continue
        end = finding.end_column - 1 if finding.end_line == finding.line else len(line)
        before, span, after = _cut(line, finding.column - 1, end)
        yield _plain_end(prefix + before + span + after)
        carets = "^" * max(columns(span), 1)
        yield f"{paint(' ' * width + ' |', 'blue')} {' ' * columns(before)}{paint(carets, 'bold red')}"


def _cut(line: str, start: int, end: int) -> tuple[str, str, str]:
    """The line before, in and after ``start:end``, displayed, and shortened where it is too long."""
    before, span, after = display(line[:start]), display(line[start:end]), display(line[end:])
    if len(before) + len(span) + len(after) <= LONGEST:
        return before, span, after
    if len(before) > LONGEST // 2:
        before = "..." + before[-LONGEST // 2 :]
    if len(span) > LONGEST // 2:
        span = span[: LONGEST // 2]
    return before, span, after[: max(LONGEST - len(before) - len(span), 0)]


def _plain_end(line: str) -> str:
    return line.rstrip()
