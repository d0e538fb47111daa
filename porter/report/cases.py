"""Cases from porter's tests, for the pages of rules: what a rule reports, what it leaves alone, what becomes of it.

``cases.json`` is made from `tests/rules/` by ``make docs``; a test fails where it is stale.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

import msgspec

FILE = Path(__file__).with_name("cases.json")


class CaseFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """One file of a case. ``before`` has the findings as comments; ``after`` is None where nothing is rewritten."""

    language: str
    before: str
    after: str | None = None
    path: str = ""  # where a case has several files
    findings: tuple[str, ...] = ()  # of a file that takes no comments


class Cases(msgspec.Struct, frozen=True, omit_defaults=True):
    """The cases of one rule; each is a small repository."""

    reported: tuple[tuple[CaseFile, ...], ...] = ()
    left: tuple[tuple[CaseFile, ...], ...] = ()


@lru_cache(maxsize=1)
def load() -> Mapping[str, Cases]:
    """The cases by rule; a rule that no source provokes has none."""
    return msgspec.json.decode(FILE.read_bytes(), type=dict[str, Cases])


def section(cases: Cases) -> Iterator[str]:
    """Lines of Markdown: the part of a rule's page that shows its cases."""
    for title, group in (("What it reports", cases.reported), ("What it leaves alone", cases.left)):
        if group:
            yield f"## {title}"
            yield ""
        for case in group:
            for file in case:
                yield from _file(file)


def _file(file: CaseFile) -> Iterator[str]:
    if file.path:
        yield f"`{file.path}`:"
        yield ""
    yield from _block(file.language, file.before)
    if file.findings:
        yield from (f"- {finding}" for finding in file.findings)
        yield ""
    if file.after is not None:
        yield "becomes"
        yield ""
        yield from _block(file.language, file.after)


def _block(language: str, text: str) -> Iterator[str]:
    fence = "````" if "```" in text else "```"
    yield f"{fence}{language}"
    yield text.rstrip("\n")
    yield fence
    yield ""
