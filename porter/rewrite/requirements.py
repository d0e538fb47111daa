"""Requirements in the place of others: several for one, and the package indexes that they come from."""

from __future__ import annotations

import re
from collections.abc import Sequence

from porter.rewrite.lines import line_start
from porter.rules.base import Edits, TextEdit

_PREFIX = re.compile(rb"[ \t]*(?:-[ \t]+)?\Z")  # of a line that holds nothing else: requirements.txt, conda's pip list
_OPTION = re.compile(rb"(?:-i|--index-url|--extra-index-url|-f|--find-links)[ \t=]")
_PLAIN = re.compile(r"[\w.+=:/@-]+", re.ASCII)  # what a shell takes as it is


def written(
    text: bytes,
    start: int,
    end: int,
    packages: Sequence[str],
    indexes: Sequence[str],
    *,
    command: bool,
    marker: str = "",
) -> Edits | None:
    """Write requirements and the options for their indexes in the place of ``start:end``, one a line or one a word.

    Args:
        text: as `Source.shown` has it.
        start: of a requirement, or of an option that names an index.
        end: of the same.
        packages: requirements.
        indexes: addresses, which become options of pip.
        command: whether the span stands in a command; else it stands on a line of its own.
        marker: the environment marker that the requirements keep.

    Returns:
        The edit; None where something else stands before the span on its line, or it is an option of no known name.
    """
    if not packages and not _OPTION.match(text, start, end):
        return None
    options = [f"--extra-index-url {address}" for address in indexes]
    if command:
        words = [*map(_shell, packages), *options]
        return (TextEdit(start, end, " ".join(words)),)
    before = text[line_start(text, start) : start]
    if not _PREFIX.match(before):
        return None
    suffix = f" ; {marker}" if marker else ""
    entries = [*options, *(package + suffix for package in packages)]
    return (TextEdit(start, end, ("\n" + before.decode()).join(entries)),)


def _shell(word: str) -> str:
    return word if _PLAIN.fullmatch(word) else f'"{word}"'
