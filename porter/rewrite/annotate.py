"""Comments above what a person must decide: ``# TODO(porter) PRT204: capture is not supported``."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from porter.model import Finding, Verdict
from porter.rules.base import TextEdit
from porter.sources.lines import LogicalLine, logical_lines
from porter.sources.source import Source

MARK = b"TODO(porter)"  # is in every comment

_WANTED = (Verdict.MANUAL, Verdict.BLOCKED, Verdict.UNKNOWN)
_COMMENT = re.compile(rb"[ \t\f]*# TODO\(porter\) (PRT\d{3}): [^\r\n]*(?:\r\n|\r|\n|\Z)")
_PYTHON = frozenset({"python", "notebook"})
_CONTINUED = re.compile(rb"\\[ \t]*\r?\n\Z")
# Other files that take such comments at the start of a line, and what makes a line of them part of something else.
_RISKS = {
    "requirements": None,
    "docker": re.compile(rb"<<"),
    "shell": re.compile(rb"<<"),
    "conda": re.compile(rb"[|>][-+0-9]*[ \t]*$", re.MULTILINE),
    "yaml": re.compile(rb"[|>][-+0-9]*[ \t]*$", re.MULTILINE),
}


class Comments(NamedTuple):
    """The comments above one statement, and the findings that they are about."""

    edit: TextEdit
    findings: tuple[Finding, ...]


def comments(source: Source, findings: Iterable[Finding]) -> list[Comments]:
    """One comment per code above the statement of each finding that is left to people.

    A comment that is there already stays, or is brought up to date. None where a comment would change what the
    file means, as in strings, in the middle of a statement, or in a kind of file without such comments.
    """
    lines = list(_lines(source))
    starts = {source.locate(start)[::2]: start for start in source.line_starts}
    wanted: dict[int, list[Finding]] = defaultdict(list)
    for finding in findings:
        offset = starts.get((finding.line, finding.cell))
        if finding.verdict in _WANTED and offset is not None:
            wanted[_statement(source, lines, offset)].append(finding)
    found = []
    for place, members in wanted.items():
        texts = {f.code: f"# TODO(porter) {f.code}: {_wording(f)}" for f in reversed(members)}
        edit = _edit(source, lines, place, {f.code: texts[f.code] for f in members}) if place >= 0 else None
        if edit is not None:
            found.append(Comments(edit, tuple(members)))
    return sorted(found, key=lambda comment: comment.edit)


def strip(source: Source) -> list[TextEdit]:
    """Edits that remove all of porter's comments."""
    return [
        TextEdit(line.start, line.end, "")
        for line in _lines(source)
        if _COMMENT.fullmatch(source.text, line.start, line.end)
    ]


def _wording(finding: Finding) -> str:
    """The advice on one line, without line numbers: the comments themselves would make them wrong."""
    text = " ".join((finding.advice or finding.message).split())
    return re.sub(r"\bline \d+", "another line", re.sub(r", line \d+", "", text))


def _lines(source: Source) -> Iterator[LogicalLine]:
    """The statements of a file, as far as its kind takes comments between them."""
    if source.kind in _PYTHON:
        yield from logical_lines(source.text)
        return
    risk = _RISKS.get(source.kind, re.compile(b""))
    if risk is not None and risk.search(source.text):
        return
    start = last = 0
    for end in [*source.line_starts[1:], len(source.text)]:
        if not _CONTINUED.search(source.text, last, end):
            yield LogicalLine(start, end)
            start = end
        last = end


def _statement(source: Source, lines: Sequence[LogicalLine], offset: int) -> int:
    """Place of the logical line that holds ``offset``, or of its first decorator; -1 where there is none.

    In Python a line that is blank or a comment is none: in a notebook it may stand for a magic.
    """
    at = bisect_right(lines, offset, key=lambda line: line.start) - 1
    if at >= 0 and offset >= lines[at].end:
        at = -1
    if source.kind not in _PYTHON or at < 0:
        return at
    if _opening(source, lines[at]) in (b"", b"#"):
        return -1
    while at > 0 and _opening(source, lines[at - 1]) == b"@":
        at -= 1
    return at


def _opening(source: Source, line: LogicalLine) -> bytes:
    return source.text[line.start : line.end].lstrip()[:1]


def _edit(source: Source, lines: Sequence[LogicalLine], place: int, texts: dict[str, str]) -> TextEdit | None:
    """Bring the comments above a logical line up to date."""
    text, here = source.text, lines[place]
    top = place
    present: dict[str, str] = {}
    while top > 0 and (match := _COMMENT.fullmatch(text, lines[top - 1].start, lines[top - 1].end)):
        top -= 1
        present = {match[1].decode(): match.group().strip().decode(), **present}
    merged = {**present, **texts}
    if merged == present:
        return None
    indent = re.compile(rb"[ \t\f]*").match(text, here.start, here.end)
    assert indent is not None
    prefix = indent.group().decode()
    block = "".join(f"{prefix}{comment}\n" for comment in merged.values())
    return TextEdit(lines[top].start, here.start, block)
