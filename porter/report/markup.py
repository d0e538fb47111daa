"""Text for the Markdown of GitHub and GitLab that stays text, whatever a file or a piece of code is called."""

from __future__ import annotations

import re
from collections.abc import Iterable

from porter.report.words import visible

_CODE = re.compile(r"`([^`]+)`")
_SPECIAL = re.compile(r"[\\`*_{}\[\]<~&$]")
_CALLS = re.compile(r"[@#!](?=\w)")  # people, issues, merge requests
_JOINER = "\N{WORD JOINER}"  # takes no room, and keeps who is named from being called


def text(words: str) -> str:
    """A line of prose, to follow something of our own; what stands in backticks is code."""
    return "".join(
        code(part) if i % 2 else _SPECIAL.sub(r"\\\g<0>", _CALLS.sub(rf"\g<0>{_JOINER}", part))
        for i, part in enumerate(_CODE.split(visible(words)))
    )


def code(words: str) -> str:
    """A code span that ``words`` cannot end."""
    shown = visible(words)
    fence = "`" * (max(map(len, re.findall("`+", shown)), default=0) + 1)
    pad = " " if len(fence) > 1 or not shown.strip() else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def row(cells: Iterable[str]) -> str:
    """A row of a table, its cells in Markdown."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
