"""Logical lines of Python, found by a small lexer: no parse, so it works on broken files and on notebooks."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

_TOKEN = re.compile(
    rb"""
      (?P<comment>\#[^\r\n]*)
    | (?P<newline>\r\n|\r|\n)
    | (?P<open>[(\[{])
    | (?P<close>[)\]}])
    | \\(?:\r\n|.)
    | \"\"\"[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*(?:\"\"\"|\Z)
    | \'\'\'[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*(?:\'\'\'|\Z)
    | "[^"\\\r\n]*(?:\\(?:\r\n|.)[^"\\\r\n]*)*"?
    | '[^'\\\r\n]*(?:\\(?:\r\n|.)[^'\\\r\n]*)*'?
    """,
    re.VERBOSE | re.DOTALL,
)
_BLANKS = re.compile(r"\s+(?!\w)|(?<!\w)\s+")
_LAST_COMMA = re.compile(r",(?=[)\]}]|$)")


class LogicalLine(msgspec.Struct, frozen=True):
    """One statement, or the header of one, with the newline that ends it; or a blank or comment line."""

    start: int
    end: int
    comments: tuple[tuple[int, int], ...] = ()  # start and end of each, sign included
    special: re.Match[bytes] | None = None


def logical_lines(text: bytes, special: re.Pattern[bytes] | None = None) -> Iterator[LogicalLine]:
    """Cut ``text`` into its logical lines, without gaps.

    Where ``special`` matches at the start of one, the match (which should end with the newline) is the line.
    """
    start = 0
    while start < len(text):
        match = special.match(text, start) if special is not None else None
        line = LogicalLine(start, match.end(), special=match) if match else _line(text, start)
        yield line
        start = line.end


def squeezed(line: str) -> str:
    """A line of code without what a formatter may change in it: blanks, quotes, a last comma."""
    return _LAST_COMMA.sub("", _BLANKS.sub("", line.replace("'", '"')))


def _line(text: bytes, start: int) -> LogicalLine:
    depth = 0
    comments = []
    for token in _TOKEN.finditer(text, start):
        kind = token.lastgroup
        if kind == "open":
            depth += 1
        elif kind == "close":
            depth = max(0, depth - 1)
        elif kind == "comment":
            comments.append(token.span())
        elif kind == "newline" and not depth:
            return LogicalLine(start, token.end(), tuple(comments))
    return LogicalLine(start, len(text), tuple(comments))
