"""Findings as an editor shows them: what fails the gate, what it warns of, and, faintly, what the baseline knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lsprotocol import types

from porter.lsp.folder import Analysis
from porter.lsp.snapshot import Snapshot
from porter.model import Finding
from porter.report.address import of_rule
from porter.report.words import sentences

SOURCE = "porter"

Diagnostics = dict[str, list[types.Diagnostic]]


def diagnostics(analysis: Analysis) -> Diagnostics:
    """By the address of each text that the client shows, what there is to say of it; be it nothing."""
    shown: Diagnostics = {text.uri: [] for text in analysis.snapshot.texts}
    outcome = analysis.outcome
    for findings, severity in (
        (outcome.errors, types.DiagnosticSeverity.Error),
        (outcome.warnings, types.DiagnosticSeverity.Warning),
        (analysis.known, types.DiagnosticSeverity.Hint),
    ):
        for uri, diagnostic in _told(findings, severity, analysis.snapshot):
            shown[uri].append(diagnostic)
    return {uri: sorted(told, key=_place) for uri, told in shown.items()}


def diagnostic(finding: Finding, range_: types.Range, severity: types.DiagnosticSeverity) -> types.Diagnostic:
    """One finding."""
    page = of_rule(finding.name)
    return types.Diagnostic(
        range=range_,
        message=sentences(finding),
        severity=severity,
        code=finding.code,
        code_description=types.CodeDescription(page) if page else None,
        source=SOURCE,
        data={"fingerprint": finding.fingerprint},
    )


def _told(
    findings: Iterable[Finding], severity: types.DiagnosticSeverity, snapshot: Snapshot
) -> Iterator[tuple[str, types.Diagnostic]]:
    for finding in findings:
        if (where := snapshot.where(finding)) is not None:
            yield where[0].uri, diagnostic(finding, where[1], severity)


def _place(diagnostic: types.Diagnostic) -> tuple[int, int, str]:
    start = diagnostic.range.start
    return start.line, start.character, str(diagnostic.code)
