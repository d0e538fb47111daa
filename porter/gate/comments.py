"""``--add-ignore``: comments that silence findings, written where they change nothing else.

In Python they end the statement; elsewhere they stand above it. What a comment would change or break, as in strings,
heredocs, magics and JSON, gets none. The result is read back before it is believed: it must mean what it meant, and
every comment must silence what it is there for.
"""

from __future__ import annotations

import ast
import re
import sys
import warnings
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from configparser import Error as ConfigParserError
from configparser import RawConfigParser
from itertools import accumulate
from typing import NamedTuple

from porter.model import Finding
from porter.sources.decode import decode
from porter.sources.lines import LogicalLine, logical_lines
from porter.sources.notebook import Notebook
from porter.sources.source import Source
from porter.sources.suppress import suppressions

_PYTHON = frozenset({"python", "notebook"})
_LIST = re.compile(rb"(?:#|//)\s*porter:\s*ignore\s*\[[^\]#]*(?=\])")
_DIRECTIVE = re.compile(r"(?:#|//)\s*(?:porter:|noqa)", re.IGNORECASE)
_CONTINUED = re.compile(rb"\\[ \t]*\r?\n\Z")
_INDENT = re.compile(rb"[ \t\f]*")
_HEREDOC, _NOTHING = re.compile(rb"<<"), re.compile(rb"(?!)")
_BLOCK = re.compile(rb"[|>][-+0-9]*[ \t]*(?:#.*)?$", re.MULTILINE)
_ITEM = re.compile(rb"[ \t]*(?:- |[-\w.\"'/]+[ \t]*:(?:[ \t]|$))", re.MULTILINE)


class Way(NamedTuple):
    """How a kind of file takes comments between its lines."""

    sign: str = "#"
    risk: re.Pattern[bytes] = _NOTHING  # in a file that holds this, a line may be part of something else
    line: re.Pattern[bytes] = _INDENT  # what a line begins with that can have a comment above it


WAYS = {
    "requirements": Way(),
    "setup-cfg": Way(),
    "shell": Way(risk=_HEREDOC),
    "docker": Way(risk=_HEREDOC),
    "make": Way(risk=re.compile(rb"^define\b", re.MULTILINE)),
    "cmake": Way(risk=re.compile(rb"\[=*\[")),
    "toml": Way(risk=re.compile(rb"\"\"\"|'''")),
    "pyproject": Way(risk=re.compile(rb"\"\"\"|'''")),
    "yaml": Way(risk=_BLOCK, line=_ITEM),
    "conda": Way(risk=_BLOCK, line=_ITEM),
    "native": Way(sign="//", risk=re.compile(rb'\bu?8?[UL]?R"[^\s()]{0,16}\(')),  # a raw string
}


class Insertion(NamedTuple):
    """Text to put in at an offset of ``Source.text``, for the findings of a line that starts at ``line``."""

    start: int
    text: str
    line: int
    findings: list[Finding]


def reason_error(reason: str) -> str | None:
    """Why ``reason`` cannot be written into a comment; None where it can."""
    if not reason.strip():
        return "say why: the reason is for whoever reads the code"
    if not reason.isprintable():
        return "a reason is one line of plain text"
    return "a reason cannot hold another directive" if _DIRECTIVE.search(reason) else None


def silenced(source: Source, findings: Sequence[Finding], reason: str) -> tuple[bytes, list[Finding]]:
    """The file with comments that silence its ``findings``, and those of them that now are.

    The others have no place for a comment. Where the result would not be what it has to be, nothing is changed.
    """
    wanted = list(_insertions(source, findings, " ".join(reason.split())))
    pairs = [(insertion, source.to_disk(insertion.start, insertion.start, insertion.text)) for insertion in wanted]
    made = [(insertion, edit) for insertion, edit in pairs if edit is not None]
    after = source.raw
    for _, edit in sorted(made, key=lambda pair: pair[1], reverse=True):
        after = after[: edit.start] + source.encode(edit.text) + after[edit.end :]
    kept = [insertion for insertion, _ in made]
    if not kept or not _holds(source, after, kept):
        return source.raw, []
    return after, [finding for insertion in kept for finding in insertion.findings]


def _insertions(source: Source, findings: Iterable[Finding], reason: str) -> Iterator[Insertion]:
    """One for each line that has findings and takes a comment, in order."""
    lines = list(_lines(source))
    starts = [line.start for line in lines]
    offsets = {source.locate(start)[::2]: start for start in source.line_starts}
    by_line: dict[int, list[Finding]] = defaultdict(list)
    for finding in findings:
        offset = offsets.get((finding.line, finding.cell))
        if offset is not None and starts and not finding.code.startswith("PRT0"):
            by_line[bisect_right(starts, offset) - 1].append(finding)
    for place, members in sorted(by_line.items()):
        codes = ", ".join(sorted({finding.code for finding in members}))
        line = lines[place]
        if source.kind in _PYTHON:
            insertion = _behind(source, line, codes, reason)
        else:
            insertion = _above(source, line, codes, reason)
        if insertion is not None:
            yield Insertion(*insertion, line.start, members)


def _lines(source: Source) -> Iterator[LogicalLine]:
    """The statements of a file; none where its kind takes no comments, or a line may be part of something else."""
    if source.kind in _PYTHON:
        yield from logical_lines(source.text)
        return
    way = WAYS.get(source.kind)
    if way is None or way.risk.search(source.text):
        return
    start = 0
    for end in [*source.line_starts[1:], len(source.text)]:
        if not _CONTINUED.search(source.text, start, end):
            yield LogicalLine(start, end)
            start = end


def _behind(source: Source, line: LogicalLine, codes: str, reason: str) -> tuple[int, str] | None:
    """A comment at the end of a Python statement, or more codes for the list in one that is there."""
    if isinstance(source.layout, Notebook):
        masks = (mask for cell in source.layout.cells for mask in cell.masks)
        if any(start < line.end and line.start < end for start, end in masks):
            return None  # to IPython, a comment may be an argument
    for span in line.comments:
        if match := _LIST.search(source.text, *span):
            return match.end(), f", {codes}"
    end = line.start + len(source.text[line.start : line.end].rstrip())
    return end, f"  # porter: ignore[{codes}] {reason}"


def _above(source: Source, line: LogicalLine, codes: str, reason: str) -> tuple[int, str] | None:
    """A comment on a line of its own."""
    way = WAYS[source.kind]
    if not way.line.match(source.text, line.start, line.end):
        return None
    indent = _INDENT.match(source.text, line.start, line.end)
    blanks = indent.group().decode() if indent is not None else ""
    return line.start, f"{blanks}{way.sign} porter: ignore[{codes}] {reason}\n"


def _holds(source: Source, after: bytes, made: Sequence[Insertion]) -> bool:
    """Whether ``after`` means the same, and its comments silence what they are there for."""
    result = decode(after, source.path, source.kind)
    if not isinstance(result, Source):
        return False
    try:
        if _meaning(result) != _meaning(source):
            return False
    except (SyntaxError, ValueError, RecursionError, ConfigParserError):
        return False  # what cannot be read cannot be compared
    found = suppressions(result)
    shifts = accumulate(len(insertion.text.encode()) for insertion in made)
    for insertion, shift in zip(made, shifts, strict=True):
        inside = insertion.start > insertion.line  # the statement itself has not moved by its own comment
        start = insertion.line + shift - (len(insertion.text.encode()) if inside else 0)
        line = result.line(start)
        if not all(found.covers(finding.code, finding.name, line, line) for finding in insertion.findings):
            return False
    return True


def _meaning(source: Source) -> object:
    """What a file says, comments aside, as far as this Python has a parser for its kind."""
    text = source.text.decode("utf-8", "replace")
    if source.kind in _PYTHON:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.dump(ast.parse(text))
    if source.kind in ("toml", "pyproject"):
        if sys.version_info >= (3, 11):
            import tomllib
        else:
            import tomli as tomllib
        return tomllib.loads(text)
    if source.kind == "setup-cfg":
        parser = RawConfigParser()
        parser.read_string(text)
        return {name: dict(section) for name, section in parser.items()}
    return None
