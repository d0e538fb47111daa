"""Fixes to bytes: which of them go together, what they make of the file, and the proof that it still parses."""

from __future__ import annotations

import ast
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from porter.model import Edit, Finding, Problem, Verdict
from porter.rewrite.patch import Change, splice
from porter.rewrite.units import Unit, flattened
from porter.sources.decode import decode
from porter.sources.source import Source

_HINDERING = (Verdict.MANUAL, Verdict.BLOCKED, Verdict.UNKNOWN)


class Result(msgspec.Struct):
    """A file after `apply`: ``after`` equals ``Source.raw`` where nothing could be done.

    ``units`` are what was done: `porter.rewrite.units.flattened` makes of them the ``changes`` that lead from one to
    the other, in order and without overlap. ``dropped`` has the fixes that
    were left out to keep the file whole, each with the reason.
    """

    after: bytes
    changes: tuple[Change, ...] = ()
    applied: list[Finding] = []
    dropped: list[tuple[Finding, str]] = []
    problems: list[Problem] = []
    units: tuple[Unit, ...] = ()


def apply(
    source: Source,
    findings: Sequence[Finding],
    groups: Sequence[str | None],
    *,
    safe_only: bool = False,
    annotate: bool = False,
) -> Result:
    """Apply the fixes of one file's findings. Writes nothing.

    ``groups`` has the group of each finding, or None. A group is applied whole or not at all, as is a fix; one
    that overlaps another is dropped, the later one in the file. Equal edits count once, deletions may overlap, and
    what lies within a deletion goes with it. ``safe_only`` leaves out fixes that need review. ``annotate`` also adds
    comments, see `porter.rewrite.annotate`. If the result does not parse, the file stays as it is.
    """
    units = _units(findings, groups)
    wanted, dropped = _complete(findings, units, safe_only)
    accepted, overlapping = _disjoint(findings, wanted)
    dropped += overlapping
    applied = sorted(i for unit in accepted for i in unit)
    made = _made(source, findings, accepted)
    changes = flattened(made)
    if annotate:
        made += _comments(source, findings, changes)
        changes = flattened(made)
    after = splice(source.raw, changes)
    reason = prove(source, after) if changes else None
    if reason is None:
        return Result(after, changes, [findings[i] for i in applied], dropped, units=tuple(made))
    dropped += [(findings[i], reason) for i in applied]
    return Result(
        source.raw, (), [], dropped, [Problem(source.path, f"PRT002 rewrite-dropped: {reason}; left as it is")]
    )


def stripped(source: Source) -> Result:
    """The file without the comments that ``annotate`` leaves."""
    from porter.rewrite.annotate import strip

    translated = (source.to_disk(edit.start, edit.end, edit.text) for edit in strip(source))
    changes = tuple(_change(source, edit) for edit in translated if edit is not None)
    after = splice(source.raw, changes)
    reason = prove(source, after) if changes else None
    if reason is not None:
        return Result(source.raw, problems=[Problem(source.path, f"{reason}; left as it is")])
    return Result(after, changes)


def prove(source: Source, after: bytes) -> str | None:
    """Why ``after`` cannot take the file's place: it does not decode or parse as well as the original did."""
    reread = decode(after, source.path, source.kind)
    if isinstance(reread, Problem):
        return f"the result {reread.message}"
    if len(reread.problems) > len(source.problems):
        return f"the result has a cell that {reread.problems[-1].message}"
    if source.kind not in ("python", "notebook"):
        return _misread(source.kind, source.text, reread.text)
    error = _syntax_error(reread.text.decode())
    if error is None or (_syntax_error(source.text.decode()) is not None and _reads_as_newer(reread.text)):
        return None
    return f"the result would not parse ({error.msg}, line {error.lineno})"


def _misread(kind: str, before: bytes, after: bytes) -> str | None:
    from porter.rewrite.proof import broken

    why = broken(kind, before.decode("latin-1"), after.decode("latin-1"))
    return f"the result {why}" if why is not None else None


def _syntax_error(text: str) -> SyntaxError | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except SyntaxError as error:
        return error
    return None


def _reads_as_newer(text: bytes) -> bool:
    """Whether libcst, which knows newer grammar than an old Python, can read it."""
    import libcst

    try:
        libcst.parse_module(text.decode())  # given bytes, it would obey an encoding comment that no longer holds
    except libcst.ParserSyntaxError:
        return False
    return True


def _edits(finding: Finding) -> tuple[Edit, ...]:
    return finding.fix.edits if finding.fix is not None else ()


def _units(findings: Sequence[Finding], groups: Sequence[str | None]) -> list[list[int]]:
    """Places of findings that are applied together: the groups, and everything else by itself."""
    units: dict[str | int, list[int]] = defaultdict(list)
    for i, group in enumerate(groups):
        if group is not None or findings[i].fix is not None:
            units[i if group is None else group].append(i)
    return list(units.values())


def _complete(
    findings: Sequence[Finding], units: Iterable[list[int]], safe_only: bool
) -> tuple[list[list[int]], list[tuple[Finding, str]]]:
    """The units whose members can all be applied; and the fixes of the others."""
    wanted, dropped = [], []
    for unit in units:
        members = [findings[i] for i in unit]
        unsafe = [f for f in members if safe_only and f.fix is not None and f.fix.applicability != "safe"]
        lacking = [f for f in members if f.fix is None and f.verdict in _HINDERING]
        if not unsafe and not lacking:
            wanted.append([i for i in unit if findings[i].fix is not None])
            continue
        what = "needs review" if unsafe else "needs a person"
        reason = f"changes together with line {(unsafe or lacking)[0].line}, which {what}"
        dropped += [(f, reason) for f in members if f.fix is not None and f not in unsafe]
    return wanted, dropped


def _disjoint(
    findings: Sequence[Finding], units: Iterable[list[int]]
) -> tuple[list[list[int]], list[tuple[Finding, str]]]:
    """The units that do not get in one another's way, the first in the file before the others; and the others."""
    ordered = sorted((unit for unit in units if unit), key=lambda u: min(e for i in u for e in _edits(findings[i])))
    owned = sorted({(edit, n) for n, unit in enumerate(ordered) for i in unit for edit in _edits(findings[i])})
    rivals: dict[int, set[int]] = defaultdict(set)
    for (_, m), (_, n) in _conflicts(owned):
        rivals[m].add(n)
        rivals[n].add(m)
    accepted: dict[int, list[int]] = {}
    dropped = []
    for n, unit in enumerate(ordered):
        against = next((m for m in sorted(rivals[n]) if m == n or m in accepted), None)
        if against is None:
            accepted[n] = unit
            continue
        reason = f"overlaps the fix of line {findings[ordered[against][0]].line}"
        dropped += [(findings[i], reason) for i in unit]
    return list(accepted.values()), dropped


Owned = tuple[Edit, int]


def _conflicts(owned: Sequence[Owned]) -> Iterator[tuple[Owned, Owned]]:
    """Pairs of edits that cannot both be made. ``owned`` is sorted."""
    active: list[Owned] = []
    for item in owned:
        start = item[0].start
        active = [other for other in active if other[0].end > start or other[0].start == other[0].end == start]
        yield from ((other, item) for other in active if _conflict(other[0], item[0]))
        active.append(item)


def _conflict(a: Edit, b: Edit) -> bool:
    """Whether ``a``, which does not start after ``b``, and ``b`` overlap so that both cannot be made."""
    if a == b or (not a.text and a.end > a.start and b.end <= a.end and (b.start > a.start or b.end > b.start)):
        return False  # the same, or within a deletion
    if not b.text and b.start == a.start and a.start < a.end <= b.end:
        return False
    if not a.text and not b.text:
        return False
    insertions = (a.start == a.end) + (b.start == b.end)
    if insertions == 2:
        return a.start == b.start and not (_is_line(a) and _is_line(b))
    if insertions == 1:
        return a.start < b.start < a.end if b.start == b.end else False
    return b.start < a.end


def _is_line(insertion: Edit) -> bool:
    """Whether whole lines are inserted behind a line, also of a notebook: of several, the order does not matter."""
    return insertion.text.startswith(("\n", "\r\n", r"\n"))


def _made(source: Source, findings: Sequence[Finding], accepted: Sequence[list[int]]) -> list[Unit]:
    """The units as they change the file."""
    starts = {source.locate(start)[::2]: start for start in source.line_starts} if accepted else {}

    def place(finding: Finding) -> int:
        """The nearest of its edits, which others (an import, a comma) may precede."""
        start = starts.get((finding.line, finding.cell), 0)
        line = source.to_disk(start, start, "")
        return min((edit.start for edit in _edits(finding)), key=lambda at: abs(at - (line.start if line else 0)))

    units = []
    for unit in accepted:
        members = tuple(findings[i] for i in unit)
        edits = sorted({edit for finding in members for edit in _edits(finding)})
        units.append(Unit(members, tuple(map(place, members)), tuple(_change(source, edit) for edit in edits)))
    return units


def _comments(source: Source, findings: Sequence[Finding], changes: Sequence[Change]) -> list[Unit]:
    """Comments for what is left to people, where nothing else changes."""
    from porter.rewrite.annotate import comments

    units = []
    for comment in comments(source, findings):
        edit = source.to_disk(comment.edit.start, comment.edit.end, comment.edit.text)
        if edit is not None and not any(change.start < edit.end and edit.start < change.end for change in changes):
            places = (edit.start,) * len(comment.findings)
            units.append(Unit(comment.findings, places, (_change(source, edit),)))
    return units


def _change(source: Source, edit: Edit) -> Change:
    return Change(edit.start, edit.end, source.encode(edit.text))
