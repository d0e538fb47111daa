"""What stands behind a finding, in Markdown: the catalogue's row, how well it is known, and from where."""

from __future__ import annotations

from collections.abc import Iterator

from porter.catalog import Catalogue, Row
from porter.lsp.folder import Analysis
from porter.model import TARGETS, Finding, Verdict
from porter.report.address import of_rule
from porter.report.explain import EVIDENCE, answer_of
from porter.report.lookup import placeless, row_of
from porter.report.markup import row as table_row
from porter.report.words import MEANINGS, sentences
from porter.rules.table import sentence


def page(finding: Finding, analysis: Analysis) -> str:
    """The finding, and the row it was judged by."""
    rule = f"{finding.code} {finding.name}"
    address = of_rule(finding.name)
    lines = [f"**{f'[{rule}]({address})' if address else rule}** ({finding.verdict})", "", sentences(finding)]
    if finding in analysis.known:
        lines += ["", "The baseline knows it: `porter check` lets it pass."]
    elif finding in analysis.outcome.notes:
        why = "it runs only under a test for CUDA" if finding.guarded else MEANINGS[finding.verdict]
        lines += ["", f"`porter check` lets it pass: {why}."]
    catalogue, settings = analysis.folder.catalogue, analysis.folder.settings
    known = row_of(finding, catalogue)
    if known is not None:
        lines += ["", "---", "", *_row(known, catalogue, settings.targets or (settings.target,))]
    elif not address:
        lines += ["", f"`porter explain {finding.code}` says more."]
    return "\n".join(lines)


def _row(row: Row, catalogue: Catalogue, targets: tuple[str, ...]) -> Iterator[str]:
    yield f"`{placeless(row.name)}` {row.summary}."
    yield ""
    yield table_row(("target", "verdict", "write instead", "evidence"))
    yield table_row(("---", "---", "---", "---"))
    for target in TARGETS:
        answer = answer_of(row, target)
        replacement = f"`{answer.replacement}`" if answer.replacement else ""
        known = "" if answer.verdict is Verdict.UNKNOWN else str(answer.evidence)
        yield table_row((target, str(answer.verdict), replacement, known))
    for target in targets:
        yield from _answer(row, target, catalogue)


def _answer(row: Row, target: str, catalogue: Catalogue) -> Iterator[str]:
    """How well the answer for a target is known, and from where."""
    answer = answer_of(row, target)
    if answer.verdict is Verdict.UNKNOWN:
        return
    against = f" Checked against {checked}." if (checked := catalogue.checked(row, target)) else ""
    yield ""
    told = f"Evidence {answer.evidence}: {EVIDENCE[answer.evidence]}.{against}"
    yield f"**{target}**: {sentence(answer.note, told)}"
    yield ""
    yield from (f"- {catalogue.sources.get(key, key)}" for key in answer.source)
