"""Quick fixes: rewrite this, rewrite all in the file, silence this. Each is worked out when it is asked for.

A fix is applied with all that has to change together with it, or not at all, and only if the file still parses:
`porter.rewrite.apply` sees to that, here as in `porter rewrite`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile

from lsprotocol import types

from porter.gate.comments import silenced
from porter.lsp.folder import Analysis
from porter.lsp.snapshot import Edits
from porter.model import Finding
from porter.rewrite.apply import apply
from porter.rewrite.patch import Change
from porter.sources.decode import decode
from porter.sources.source import Source

QUICK_FIX = types.CodeActionKind.QuickFix.value
FIX_ALL = f"{types.CodeActionKind.SourceFixAll.value}.porter"
KINDS = (QUICK_FIX, FIX_ALL)
REASON = "kept for CUDA"  # in a comment that silences a finding; the user may know a better one


def actions(
    analysis: Analysis, uri: str, range_: types.Range, only: Sequence[str] | None, told: Sequence[types.Diagnostic]
) -> Iterator[types.CodeAction]:
    """What can be done about the findings in a range of a text, without the edits: see `edits`.

    ``only`` are the kinds that the client wants, if it says so; ``told`` are the diagnostics that it shows there.
    """
    if only is None or _wanted(QUICK_FIX, only):
        near = [finding for finding in analysis.findings if _touches(analysis, finding, uri, range_)]
        for finding in near:
            yield from _about(finding, analysis, [d for d in told if _fingerprint(d) == finding.fingerprint])
        if any(finding.fix is not None for finding in near):
            yield from _all(analysis)
    if only is not None and _wanted(FIX_ALL, only) and any(map(_safe, analysis.findings)):
        yield _action("porter: rewrite all that keeps its behaviour", FIX_ALL, analysis, "safe")


def edits(analysis: Analysis, what: str, fingerprint: str | None) -> Edits | None:
    """The edits of an action, on this version of the file; None where nothing can be done after all."""
    changes: Sequence[Change] | None = None
    if what in ("safe", "all"):
        made = analysis.folder.rewrite(analysis.task, safe_only=what == "safe")
        changes = made.changes if made is not None else None
    elif finding := next((f for f in analysis.findings if f.fingerprint == fingerprint), None):
        changes = _fixed(analysis, finding) if what == "fix" else _ignored(analysis, finding)
    return analysis.snapshot.edits(changes) if changes else None


def workspace_edit(made: Edits, *, versioned: bool) -> types.WorkspaceEdit:
    """Edits as the client takes them; ``versioned`` if it can tell whether they are for what it has."""
    texts = {text.uri: text for text, _ in made}
    by_text = {uri: [edit for text, edit in made if text.uri == uri] for uri in texts}
    if not versioned:
        return types.WorkspaceEdit(changes=by_text)
    return types.WorkspaceEdit(
        document_changes=[
            types.TextDocumentEdit(types.OptionalVersionedTextDocumentIdentifier(uri, texts[uri].version), list(some))
            for uri, some in by_text.items()
        ]
    )


def _about(finding: Finding, analysis: Analysis, told: list[types.Diagnostic]) -> Iterator[types.CodeAction]:
    """For one finding: rewrite it, or silence it."""
    what = f"`{finding.symbol}`" if finding.symbol else finding.name
    if finding.fix is not None:
        judged = analysis.unit(finding)
        more = len(judged[1]) - 1 if judged is not None else 0
        title = f"porter: rewrite {what}{f' and {more} more that change with it' if more else ''}"
        title += "" if _safe(finding) else " (review: behaviour differs)"
        yield _action(title, QUICK_FIX, analysis, "fix", finding, told)
    if finding not in analysis.outcome.notes and not finding.code.startswith("PRT0"):
        yield _action(f"porter: ignore {finding.code} here", QUICK_FIX, analysis, "ignore", finding, told)


def _all(analysis: Analysis) -> Iterator[types.CodeAction]:
    """For the file: rewrite what keeps its behaviour, or everything that can be rewritten."""
    fixable = [finding for finding in analysis.findings if finding.fix is not None]
    safe = sum(map(_safe, fixable))
    if safe:
        title = f"porter: rewrite all in this file that keep their behaviour ({safe})"
        yield _action(title, QUICK_FIX, analysis, "safe")
    if safe < len(fixable):
        title = f"porter: rewrite all in this file ({len(fixable)}, of which {len(fixable) - safe} to review)"
        yield _action(title, QUICK_FIX, analysis, "all")


def _action(
    title: str,
    kind: str,
    analysis: Analysis,
    what: str,
    finding: Finding | None = None,
    told: list[types.Diagnostic] | None = None,
) -> types.CodeAction:
    data = {"uri": analysis.snapshot.uri, "what": what, "fingerprint": finding.fingerprint if finding else None}
    preferred = what == "fix" and finding is not None and _safe(finding)
    return types.CodeAction(title, kind, told or None, is_preferred=preferred or None, data=data)


def _fixed(analysis: Analysis, finding: Finding) -> Sequence[Change]:
    unit = analysis.unit(finding)
    if unit is None:
        return ()
    judged, findings, groups = unit
    return apply(judged.source, findings, groups).changes


def _ignored(analysis: Analysis, finding: Finding) -> Sequence[Change]:
    """A comment: in code that says all else as before, it is the one thing by which the two differ."""
    task, raw = analysis.task, analysis.snapshot.raw
    source = decode(raw, task.display, task.kind)
    after, done = silenced(source, [finding], REASON) if isinstance(source, Source) else (raw, [])
    if not done:
        return ()
    start = _alike(raw, after)
    end = _alike(raw[start:][::-1], after[start:][::-1])
    return (Change(start, len(raw) - end, after[start : len(after) - end]),)


def _alike(one: bytes, other: bytes) -> int:
    """How many bytes two texts begin with alike."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _touches(analysis: Analysis, finding: Finding, uri: str, range_: types.Range) -> bool:
    where = analysis.snapshot.where(finding)
    return where is not None and where[0].uri == uri and overlap(where[1], range_)


def overlap(one: types.Range, other: types.Range) -> bool:
    """Whether two ranges share a place, be it the one where they meet."""
    return one.start <= other.end and other.start <= one.end


def _wanted(kind: str, only: Iterable[str]) -> bool:
    """Whether a client that asks for ``only`` these kinds, each with what is below it, wants ``kind``."""
    return any(kind == asked or kind.startswith(f"{asked}.") or not asked for asked in only)


def _fingerprint(diagnostic: types.Diagnostic) -> object:
    return diagnostic.data.get("fingerprint") if isinstance(diagnostic.data, dict) else None


def _safe(finding: Finding) -> bool:
    return finding.fix is not None and finding.fix.applicability == "safe"
