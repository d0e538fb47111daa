"""GitHub Actions: annotations on the lines of a change, by workflow commands.

GitHub shows ten annotations of each level a step, and drops the rest in silence (actions/toolkit,
docs/problem-matchers.md). So porter annotates the findings that tell most, and lists the others in the log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from porter.model import Finding, Severity
from porter.report.rank import telling
from porter.report.words import location, plural, sentences, unreported, visible

if TYPE_CHECKING:
    from porter.engine import Report
    from porter.report.view import View

MOST = 10  # annotations of one level

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def render(report: Report, view: View) -> Iterator[str]:
    """Yield workflow commands, then, in a group that can be opened, the findings that have none."""
    weigh, findings = view.settings.weigh, report.findings
    room = Counter({Severity.ERROR: MOST, Severity.WARNING: MOST, Severity.NOTE: MOST - 1})  # one to tell of the rest
    annotated = set()
    for place in telling(findings, weigh):
        severity = weigh(findings[place])
        if room[severity]:
            room[severity] -= 1
            annotated.add(place)
    yield from (_annotation(findings[place], view) for place in sorted(annotated))
    for problem in unreported(report)[: room[Severity.WARNING]]:
        yield _command("warning", problem.message, file=view.published(problem.path), line=problem.line or 1)
    left = [finding for place, finding in enumerate(findings) if place not in annotated]
    if left:
        yield _command("notice", f"{plural(len(left), 'more finding')}: GitHub shows {MOST} a step. See the log.")
        yield f"::group::{plural(len(left), 'more finding')}\n"
        yield from (f"- {location(f)}: {f.code} {visible(f.message)}\n" for f in left)
        yield "::endgroup::\n"


def _annotation(finding: Finding, view: View) -> str:
    region = view.disk(finding.path).region(finding)
    columns = {"col": region.column, "endColumn": region.end_column} if region.line == region.end_line else {}
    return _command(
        _COMMANDS[view.settings.weigh(finding)],
        sentences(finding),
        file=view.published(finding.path),
        line=region.line,
        endLine=region.end_line,
        **columns,
        title=f"{finding.code} {finding.name}",
    )


def _command(command: str, message: str, **properties: str | int) -> str:
    about = ",".join(f"{name}={_property(visible(str(value)))}" for name, value in properties.items())
    return f"::{command}{' ' if about else ''}{about}::{_data(visible(message))}\n"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
