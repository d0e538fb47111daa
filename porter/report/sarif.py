"""SARIF 2.1.0 for code scanning: results with fingerprints, fixes, and the page of every rule.

GitHub takes 25,000 results a run and shows 5,000 of them, those with the highest level first (GitHub Docs, "SARIF
support for code scanning"). What porter leaves out it says: in a notification of the run, and in its properties.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

import porter
from porter.model import Finding, Fix
from porter.report.address import home, of_rule
from porter.report.disk import Disk, Region
from porter.report.explain import documentation, gist
from porter.report.rank import telling
from porter.report.stream import HOLE, stream
from porter.report.words import plural, sentences, unreported
from porter.rules import load
from porter.rules.base import FAMILIES, Rule

if TYPE_CHECKING:
    from porter.engine import Report
    from porter.report.view import View

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
MOST = 25_000  # results
LONGEST = 1024  # characters of a description
ROOT = "%SRCROOT%"


def render(report: Report, view: View) -> Iterator[str]:
    """Yield the log: one run, whose results are in the order of the report."""
    findings: Sequence[Finding] = report.findings
    if len(findings) > MOST:
        kept = sorted(telling(findings, view.settings.weigh)[:MOST])
        findings = [findings[place] for place in kept]
    found = {finding.name for finding in findings}
    rules = [rule for rule in load().values() if rule.name in found or view.settings.enables(rule)]
    places = {rule.name: place for place, rule in enumerate(rules)}
    omitted = len(report.findings) - len(findings)
    run = {
        "tool": {"driver": _driver(rules)},
        "invocations": [
            {"executionSuccessful": True, "toolExecutionNotifications": list(_notes(report, omitted, view))}
        ],
        "originalUriBaseIds": {ROOT: {"description": {"text": "The top of the repository."}}},
        "columnKind": "unicodeCodePoints",
        "properties": {"target": view.target, "findings": len(report.findings), "omitted": omitted},
        "results": HOLE,
    }
    frame = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    yield from stream(frame, (_result(finding, places[finding.name], view) for finding in findings))


def _driver(rules: Sequence[Rule]) -> dict[str, object]:
    link = home()
    return {
        "name": "porter",
        "version": porter.__version__,
        "semanticVersion": porter.__version__,
        **({"informationUri": link} if link else {}),
        "rules": [_descriptor(rule) for rule in rules],
    }


def _descriptor(rule: Rule) -> dict[str, object]:
    text = documentation(rule)
    page = of_rule(rule.name)
    return {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": gist(rule)[:LONGEST]},
        "fullDescription": {"text": " ".join(text.partition("\n\n")[0].split())[:LONGEST]},
        "help": {"text": text, "markdown": text},
        **({"helpUri": page} if page else {}),
        "defaultConfiguration": {"enabled": rule.default, "level": "error"},
        "properties": {
            "tags": ["cuda", "portability", FAMILIES[rule.family]],
            "precision": "high",
            "problem.severity": "error",
        },
    }


def _notes(report: Report, omitted: int, view: View) -> Iterator[dict[str, object]]:
    """What a reader must know beside the results: files that were not looked at, results that were left out."""
    for problem in unreported(report):
        region = Region(problem.line or 1, 1, problem.line or 1, 1)
        yield {
            "level": "warning",
            "message": {"text": _message(problem.message)},
            "locations": [{"physicalLocation": _physical(problem.path, region, view)}],
        }
    if omitted:
        text = (
            f"{plural(omitted, 'result')} left out: GitHub takes {MOST:,} a run. See the other formats of porter check."
        )
        yield {"level": "warning", "message": {"text": text}}


def _result(finding: Finding, rule: int, view: View) -> dict[str, object]:
    disk = view.disk(finding.path)
    result: dict[str, object] = {
        "ruleId": finding.code,
        "ruleIndex": rule,
        "level": str(view.settings.weigh(finding)),
        "message": {"text": _message(sentences(finding))},
        "locations": [{"physicalLocation": _physical(finding.path, disk.region(finding), view)}],
        "partialFingerprints": {"primaryLocationLineHash": finding.fingerprint},
        "properties": {
            "verdict": finding.verdict,
            "effort": finding.effort,
            "evidence": finding.evidence,
            "symbol": finding.symbol,
            "guarded": finding.guarded,
        },
    }
    if finding.fix is not None and disk.raw:
        result["fixes"] = [_fix(finding.path, finding.fix, disk, view)]
    return result


def _fix(path: str, fix: Fix, disk: Disk, view: View) -> dict[str, object]:
    replacements = [
        {"deletedRegion": _region(disk.span(edit.start, edit.end)), "insertedContent": {"text": edit.text}}
        for edit in fix.edits
    ]
    change = {"artifactLocation": _artifact(path, view), "replacements": replacements}
    return {"description": {"text": f"What porter rewrite writes ({fix.applicability})."}, "artifactChanges": [change]}


def _physical(path: str, region: Region, view: View) -> dict[str, object]:
    return {"artifactLocation": _artifact(path, view), "region": _region(region)}


def _artifact(path: str, view: View) -> dict[str, object]:
    published = view.published(path)
    uri = quote(os.fsencode(published))
    return {"uri": f"file://{uri}"} if published.startswith("/") else {"uri": uri, "uriBaseId": ROOT}


def _region(region: Region) -> dict[str, int]:
    return {
        "startLine": region.line,
        "startColumn": region.column,
        "endLine": region.end_line,
        "endColumn": region.end_column,
    }


def _message(text: str) -> str:
    """Plain text in which SARIF finds no link."""
    return text.replace("](", "] (")
