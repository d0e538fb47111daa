"""JUnit's XML: a test suite per file, a test case per finding, failed where the gate fails on it.

The elements and attributes are those of Jenkins' schema, which GitLab, Azure and others read as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from porter.model import Finding, Problem, Severity
from porter.report.words import location, place, unreported, visible

if TYPE_CHECKING:
    from porter.engine import Report
    from porter.report.view import View


def render(report: Report, view: View) -> Iterator[str]:
    """Yield the document. Without a finding it holds one test that passed, so that the run can be seen."""
    problems = unreported(report)
    failures = sum(_fails(finding, view) for finding in report.findings)
    total = len(report.findings) + len(problems)
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield f'<testsuites name="porter" {_counts(total or 1, failures, len(problems))}>\n'
    for path, members in groupby(report.findings, attrgetter("path")):
        yield from _suite(path, list(members), view)
    if problems or not report.findings:
        yield f'  <testsuite name="porter" {_counts(len(problems) or 1, 0, len(problems))}>\n'
        yield from map(_error, problems)
        if not problems:
            yield '    <testcase name="no CUDA use" classname="porter" time="0"/>\n'
        yield "  </testsuite>\n"
    yield "</testsuites>\n"


def _suite(path: str, findings: list[Finding], view: View) -> Iterator[str]:
    failures = sum(_fails(finding, view) for finding in findings)
    yield f'  <testsuite name="{_text(path)}" {_counts(len(findings), failures, 0, len(findings) - failures)}>\n'
    for finding in findings:
        name = f"{finding.code} {finding.name} at {place(finding)}"
        yield f'    <testcase name="{_text(name)}" classname="{_text(path)}" time="0">\n'
        lines = (
            location(finding),
            finding.message,
            f"{finding.verdict}: {finding.advice}" if finding.advice else finding.verdict,
        )
        if _fails(finding, view):
            about = f'type="{finding.verdict}" message="{_text(finding.message)}"'
            yield f"      <failure {about}>{_body(map(str, lines))}</failure>\n"
        else:
            yield f'      <skipped message="{_text(finding.message)}">{_body(map(str, lines))}</skipped>\n'
        yield "    </testcase>\n"
    yield "  </testsuite>\n"


def _error(problem: Problem) -> str:
    about = f'type="problem" message="{_text(problem.message)}"'
    return f'    <testcase name="{_text(problem.path)}" classname="porter" time="0"><error {about}/></testcase>\n'


def _fails(finding: Finding, view: View) -> bool:
    return view.settings.weigh(finding) is Severity.ERROR


def _counts(tests: int, failures: int, errors: int, skipped: int | None = None) -> str:
    counts = f'tests="{tests}" failures="{failures}" errors="{errors}"'
    return f'{counts} skipped="{skipped}"' if skipped is not None else counts


def _body(lines: Iterable[str]) -> str:
    return "\n".join(map(_text, lines))


def _text(text: str) -> str:
    """Text for XML: no markup, and no character that XML 1.0 has no way to write."""
    return escape(visible(text))
