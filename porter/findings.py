"""From judgements to findings: where each stands for people, what it changes on disk, by which name it is known."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b

from porter.model import Dismissal, Effort, Finding, Fix, Problem, Verdict
from porter.rules.base import REASONS, Dismissed, Judgement, Rule
from porter.rules.policy import guarded
from porter.sources.lines import squeezed
from porter.sources.source import Source
from porter.sources.suppress import Suppression

LONGEST = 200  # bytes of a line that are kept whole

_EDITED = (Verdict.AUTO, Verdict.REVIEW)
_LINE = re.compile(r"\b([Ll]ine) (\d+)\b(?! of `)")  # of this file, no other


def findings(
    source: Source, judgements: Iterable[Judgement], rules: Mapping[str, Rule], place: str
) -> Iterator[Finding]:
    """The findings of one file, one for each judgement and in their order; see `ordered`.

    ``place`` is the file's path for the fingerprints: relative to the settings, wherever porter runs.
    """
    seen: Counter[tuple[str, ...]] = Counter()
    for judgement in judgements:
        rule, site = rules[judgement.rule], judgement.site
        text = _text(source, site.start)
        key = place, rule.code, site.name, squeezed(text)
        seen[key] += 1
        yield _finding(source, judgement, rule, text, _fingerprint(key, seen[key]))


def ordered(source: Source, judgements: Iterable[Judgement], rules: Mapping[str, Rule]) -> list[Judgement]:
    """The judgements by cell, line, column and code."""

    def place(judgement: Judgement) -> tuple[int, int, int, str]:
        line, column, cell = source.locate(judgement.site.start)
        return cell or 0, line, column, rules[judgement.rule].code

    return sorted(judgements, key=place)


def position(finding: Finding) -> tuple[int, int, int, str]:
    """What the findings of a file are ordered by."""
    return finding.cell or 0, finding.line, finding.column, finding.code


def unparsable(problem: Problem, rule: Rule, place: str) -> Finding:
    """The finding for a file, or a cell of one, that porter cannot analyse: it may hide CUDA uses."""
    line = problem.line or 1
    return Finding(
        path=problem.path,
        line=line,
        column=1,
        end_line=line,
        end_column=1,
        cell=problem.cell,
        code=rule.code,
        name=rule.name,
        symbol=None,
        verdict=Verdict.UNKNOWN,
        message=problem.message,
        advice="",
        guarded=False,
        effort=Effort.MINUTES,
        evidence=None,
        fix=None,
        fingerprint=_fingerprint((place, rule.code, problem.message), 1),
    )


def unused(source: Source, item: Suppression, idle: Sequence[str], rule: Rule, place: str) -> Finding:
    """The finding for a comment that silences nothing; ``idle`` are its selectors of which that holds."""
    line, column, cell = source.locate(item.start)
    end_line, end_column, _ = source.locate(item.end)
    named = ", ".join(f"`{selector}`" for selector in idle)
    text = _text(source, item.start)
    return Finding(
        path=source.path,
        line=line,
        column=column,
        end_line=end_line,
        end_column=end_column,
        cell=cell,
        code=rule.code,
        name=rule.name,
        symbol=None,
        verdict=Verdict.MANUAL,
        message=f"nothing to silence here{f' for {named}' if named else ''}",
        advice=f"Take {named} out of the comment." if item.used else "Remove the comment.",
        guarded=False,
        effort=Effort.MINUTES,
        evidence=None,
        fix=None,
        fingerprint=_fingerprint((place, rule.code, named, squeezed(text)), 1),
        text=text,
    )


def dismissal(source: Source, dismissed: Dismissed) -> Dismissal:
    """What is shown of a site that is no finding."""
    site = dismissed.site
    start = site.statement.start if site.role == "import" and site.statement is not None else site.start
    line, _, cell = source.locate(start)
    end_line, _, _ = source.locate(site.end)
    return Dismissal(source.path, line, end_line, cell, site.name, REASONS[dismissed.reason])


def _finding(source: Source, judgement: Judgement, rule: Rule, text: str, fingerprint: str) -> Finding:
    site = judgement.site
    end = site.end
    if site.kind == "method" and site.call is not None and site.role in ("call", "decorator"):
        end = max(end, site.call.end)
    line, column, cell = source.locate(site.start)
    end_line, end_column, _ = source.locate(end)
    verdict, fix = judgement.verdict, None
    if judgement.edits and verdict in _EDITED:
        fix = _fix(source, judgement)
        verdict = verdict if fix is not None else Verdict.MANUAL
    return Finding(
        path=source.path,
        line=line,
        column=column,
        end_line=end_line,
        end_column=end_column,
        cell=cell,
        code=rule.code,
        name=rule.name,
        symbol=site.name,
        verdict=verdict,
        message=_told(judgement.message, source, cell),
        advice=_told(judgement.advice, source, cell),
        guarded=guarded(site),
        effort=judgement.effort,
        evidence=judgement.evidence,
        fix=fix,
        fingerprint=fingerprint,
        text=text,
    )


def _told(text: str, source: Source, cell: int | None) -> str:
    """What rules say of other lines, as people find them: rules count those of all cells of a notebook."""

    def found(match: re.Match[str]) -> str:
        starts = source.line_starts[int(match[2]) - 1 :]
        if not starts:
            return match[0]
        line, _, home = source.locate(starts[0])
        return f"{match[1]} {line}" if home in (None, cell) else f"{match[1]} {line} of cell {home + 1}"

    return _LINE.sub(found, text) if cell is not None else text


def _fix(source: Source, judgement: Judgement) -> Fix | None:
    """The edits in the file's own bytes; None where the file cannot express one of them."""
    edits = [source.to_disk(edit.start, edit.end, edit.text) for edit in judgement.edits]
    known = [edit for edit in edits if edit is not None]
    if len(known) < len(edits):
        return None
    return Fix("safe" if judgement.verdict is Verdict.AUTO else "unsafe", tuple(sorted(known)))


def _fingerprint(key: Iterable[str], ordinal: int) -> str:
    """A finding's name after lines have moved: file, rule, symbol, the line's text, and which of those alike."""
    return blake2b("\0".join((*key, str(ordinal))).encode(errors="replace"), digest_size=10).hexdigest()


def _text(source: Source, offset: int) -> str:
    """The line that holds ``offset``, without indentation and with single blanks; of a long one, what is near."""
    line = source.line(offset)
    start, end = [*source.line_starts[line - 1 : line + 1], len(source.text)][:2]
    if end - start > LONGEST:
        start, end = max(start, offset - LONGEST // 4), min(end, offset + LONGEST // 2)
    text = source.text[start:end]
    for fragment in source.fragments:  # masked in the text
        if fragment.start <= offset < fragment.start + len(fragment.text):
            text = fragment.text[max(start - fragment.start, 0) : end - fragment.start]
    return " ".join(text.decode(errors="ignore").split())
