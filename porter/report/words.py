"""The words and numbers that every report shares: counts, verdicts, and lines to sum up."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from porter.model import Finding, Problem, Verdict

if TYPE_CHECKING:
    from porter.engine import Report

# Order in which verdicts are told: from what costs nobody anything to what costs most.
TOLD = (Verdict.AUTO, Verdict.REVIEW, Verdict.MANUAL, Verdict.BLOCKED, Verdict.UNKNOWN)
REWRITTEN = (Verdict.AUTO, Verdict.REVIEW)

LOG_COMMAND = ("##[", "# #[")  # what begins one, and the same made harmless

_SENTENCE = re.compile(r"(?<=[.!?])\s+")

MEANINGS = {
    Verdict.AUTO: "same behaviour under another name",
    Verdict.REVIEW: "rewritten, but numerics, order or semantics differ",
    Verdict.MANUAL: "a person must decide",
    Verdict.BLOCKED: "no equivalent on the target",
    Verdict.UNKNOWN: "unknown to porter",
    Verdict.PORTABLE: "works as it is",
}


def plural(count: int, noun: str, many: str = "") -> str:
    """``1 file``, ``2 files``; thousands are separated."""
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def failing(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that ask for a change: all but those that work on the target as they are."""
    return [f for f in findings if f.verdict is not Verdict.PORTABLE]


def unreported(report: Report) -> list[Problem]:
    """The problems that no finding tells of: files that cannot be read, unlike those that do not parse."""
    told = {finding.path for finding in report.findings if finding.code == "PRT001"}
    return [problem for problem in report.problems if problem.path not in told]


def is_file(finding: Finding) -> bool:
    """Whether the finding is about a whole file, and no CUDA use: PRT0xx."""
    return finding.code.startswith("PRT0")


def tally(findings: Iterable[Finding]) -> dict[Verdict, int]:
    """How many findings have each verdict, in the order of `TOLD`; portable last; zeros left out."""
    counts = Counter(f.verdict for f in findings)
    return {verdict: counts[verdict] for verdict in (*TOLD, Verdict.PORTABLE) if counts[verdict]}


def breakdown(counts: dict[Verdict, int]) -> str:
    """``5 auto, 2 review, 1 manual``."""
    return ", ".join(f"{count:,} {verdict}" for verdict, count in counts.items())


def percent(part: int, whole: int) -> str:
    """``74 %``. Neither nothing nor everything is claimed by rounding."""
    if not whole:
        return "0 %"
    share = round(100 * part / whole)
    if 0 < part < whole:
        share = min(max(share, 1), 99)
    return f"{share} %"


def location(finding: Finding) -> str:
    """``train.py:72:10``, or ``demo.ipynb:cell 3:5:1``."""
    return f"{file_name(finding.path)}:{place(finding)}"


def file_name(path: str) -> str:
    """A path to begin a line with: as it is `visible`, and no command for whoever runs jobs by what they print."""
    shown = visible(path)
    return f"./{shown}" if shown.lstrip().startswith("::") else shown


def place(finding: Finding) -> str:
    """The part of `location` within the file. Cells count from 1 for people."""
    cell = "" if finding.cell is None else f"cell {finding.cell + 1}:"
    return f"{cell}{finding.line}:{finding.column}"


def visible(text: str) -> str:
    r"""``text`` on one line, with what would steer a terminal or a log spelled out: ``\n``, ``\x1b``, ``\u202e``.

    GitHub's runner takes ``##[...]`` for a command wherever in a line it stands.
    """
    text = text.replace(*LOG_COMMAND)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def sentences(finding: Finding) -> str:
    """What is the matter and what to do, as one line of text."""
    told = finding.advice or (
        "" if is_file(finding) else f"{str(finding.verdict).capitalize()}: {MEANINGS[finding.verdict]}"
    )
    return " ".join(f"{visible(part).rstrip('.')}." for part in (finding.message, told) if part)


def first_sentence(text: str) -> str:
    """The gist of an advice. A full stop within a name or a number ends no sentence."""
    return _SENTENCE.split(text, maxsplit=1)[0]
