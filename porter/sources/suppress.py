"""Comments that silence findings: ``# porter: ignore[CODE] reason``, ``# noqa: CODE``, ``# porter: ignore-file``.

A comment covers the logical line that it stands in or ends; on a line of its own it covers the next one.
``ignore-file`` stands on a line of its own before the first statement, the docstring aside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from porter.config import specificity
from porter.sources.lines import LogicalLine, logical_lines
from porter.sources.source import Source

_PYTHON = frozenset({"python", "notebook"})
_SLASHES = frozenset({"native", "json"})
_DIRECTIVE = re.compile(
    rb"""
    (?:\#|//)\s*
    (?:
        (?P<own>porter:)\s*ignore(?P<file>-file)?(?![\w-])\s*(?P<list>\[(?P<selectors>[^\]#]*)\])?
      | (?i:noqa)(?!\w)(?P<colon>\s*:\s*(?P<codes>[A-Z]+\d+(?:[\s,]+[A-Z]+\d+)*)?)?
    )
    """,
    re.VERBOSE,
)
_PHYSICAL = re.compile(rb"(?:\\\r?\n|[^\n])*\n?")
_DOCSTRING = re.compile(rb"[rRuU]?[\"']")


class Suppression(msgspec.Struct):
    """One directive at ``start:end`` of the text, and the lines that it covers.

    Without selectors it silences every rule.
    """

    start: int
    end: int
    line: int
    first: int
    last: int
    selectors: tuple[str, ...]
    used: bool = False
    idle: set[str] = set()  # selectors that have silenced nothing so far

    def covers(self, code: str, name: str, first: int, last: int) -> bool:
        """Whether a finding of the rule on lines ``first`` to ``last`` is silenced. The directive remembers its use."""
        if first > self.last or last < self.first:
            return False
        hits = {selector for selector in self.selectors if specificity(selector, code, name)}
        if self.selectors and not hits:
            return False
        self.used = True
        self.idle -= hits
        return True


class Suppressions(msgspec.Struct):
    """All directives of a file."""

    items: list[Suppression] = []

    def covers(self, code: str, name: str, start_line: int, end_line: int) -> bool:
        """Whether a finding is silenced. Lines count from 1 in ``Source.text``. The directives remember their use."""
        covering = [item for item in self.items if item.covers(code, name, start_line, end_line)]
        return bool(covering)

    def unused(self) -> list[Suppression]:
        """Directives that have silenced nothing so far, or name a rule of which they have not."""
        return [item for item in self.items if not item.used or item.idle]


def suppressions(source: Source) -> Suppressions:
    """The directives of a file. Costs next to nothing where it has none."""
    text = source.text
    if b"porter:" not in text and b"noqa" not in text and b"NOQA" not in text:
        return Suppressions()
    if all(_selectors(match) is None for match in _DIRECTIVE.finditer(text)):  # those of other tools
        return Suppressions()
    return Suppressions(list(_find(source)))


def _find(source: Source) -> Iterator[Suppression]:
    sign = b"//" if source.kind in _SLASHES else b"#"
    lines = logical_lines(source.text) if source.kind in _PYTHON else _physical_lines(source.text, sign)
    waiting: list[Suppression] = []  # directives above the next statement
    preamble = True
    for line in lines:
        body = source.text[line.start : line.end].strip()
        first, last = source.line(line.start), source.line(max(line.start, line.end - 1))
        if not body:
            yield from waiting  # they cover nothing
            waiting.clear()
            continue
        comment_only = body.startswith(sign)
        for match in (m for span in line.comments for m in _DIRECTIVE.finditer(source.text, *span)):
            at = source.line(match.start())
            selectors = _selectors(match)
            if selectors is None or (match["file"] and not (comment_only and preamble)):
                continue
            foreign = not (match["own"] or selectors)  # of a bare `noqa`, other tools know
            item = Suppression(*match.span(), at, first, last, selectors, foreign, set(selectors))
            if match["file"]:
                item.first, item.last = 1, len(source.line_starts)
                yield item
            elif comment_only and match.start() == line.comments[0][0]:
                waiting.append(msgspec.structs.replace(item, first=at, last=at - 1))
            else:
                yield item
        if not comment_only:
            yield from (msgspec.structs.replace(item, last=last) for item in waiting)
            waiting.clear()
            preamble = preamble and _DOCSTRING.match(body) is not None
    yield from waiting


def _selectors(directive: re.Match[bytes]) -> tuple[str, ...] | None:
    """Rules that a directive names, () for all; None where it names only those of other tools, or nothing at all."""
    if directive["list"] or directive["colon"]:
        words = re.split(r"[\s,]+", (directive["selectors"] or directive["codes"] or b"").decode("utf-8", "replace"))
        ours = tuple(word for word in words if word and (directive["own"] or word.startswith("PRT")))
        return ours or None
    return ()


def _physical_lines(text: bytes, sign: bytes) -> Iterator[LogicalLine]:
    """The lines of a file that is not Python, those that end in a backslash joined with the next."""
    for match in _PHYSICAL.finditer(text):
        start, end = match.span()
        comment = text.find(sign, start, end)
        yield LogicalLine(start, end, ((comment, end),) if comment >= 0 else ())
