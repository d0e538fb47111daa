"""The baseline: a file of findings that are known, so that the gate fails on new ones alone.

One line stands for one finding: file, rule, symbol and the line of code, with tabs between them, sorted. No line
numbers, no dates, no counts: a branch that adds or removes a use changes the lines of its own file and no others.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from porter.reading import read_regular

FILE = "porter-baseline.txt"  # where nobody says otherwise
VERSION = 1

_HEAD = "# porter baseline "
_ABOUT = """\
# What `porter check` knows already: one use of CUDA a line, as file, rule, symbol and line of code, tabs between them.
# A line can go when its use is gone: `porter check --write-baseline` writes the file anew. See docs/baseline.md.
"""
MOST_BYTES = 100_000_000

_CONFLICT = re.compile(r"(?:<{7}|\|{7}|={7}|>{7})(?: |$)")
_ESCAPED = re.compile(r"\\(.)")
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_PLAIN = {value[1]: key for key, value in _ESCAPES.items()}


class BaselineError(ValueError):
    """A baseline that cannot be used. The message names the file, and says what to do."""


class Entry(NamedTuple):
    """One finding that is known."""

    path: str  # relative to the folder of the baseline, with /
    code: str
    symbol: str
    text: str  # as `porter.model.Finding.text`


def load(file: Path, *, rewriting: bool = False) -> list[Entry]:
    """The entries, in the order of the file.

    Where the file is about to be written anew (``rewriting``), one that is not there has no entries, and both sides
    of a conflict count. Raises BaselineError.
    """
    try:
        lines = read_regular(file, MOST_BYTES).decode("utf-8-sig").replace("\r\n", "\n").split("\n")
    except FileNotFoundError:
        if rewriting:
            return []
        raise BaselineError(f"{file}: is not there; write it with `porter check --write-baseline`") from None
    except OSError as error:
        raise BaselineError(f"{file}: cannot be read: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError as error:
        raise BaselineError(f"{file}: is not UTF-8, and so no baseline that porter wrote; restore it") from error
    conflict = next((number for number, line in enumerate(lines, 1) if _CONFLICT.match(line)), None)
    if conflict is not None and not rewriting:
        advice = "keep the lines of both sides, or run `porter check --write-baseline`"
        raise BaselineError(f"{file}:{conflict}: holds the marks of a merge conflict; {advice}")
    _check_version(file, lines)
    entries = []
    for number, line in enumerate(lines, 1):
        if line and not line.startswith("#") and not _CONFLICT.match(line):
            entries.append(_entry(line, f"{file}:{number}"))
    return entries


def dump(entries: Iterable[Entry]) -> str:
    """The contents of the file."""
    return f"{_HEAD}{VERSION}\n{_ABOUT}" + "".join(f"{_line(entry)}\n" for entry in sorted(entries))


def _check_version(file: Path, lines: list[str]) -> None:
    head = next((line for line in lines if line.startswith(_HEAD)), None)
    if head is None:
        raise BaselineError(f"{file}: is no baseline: it has no line `{_HEAD}{VERSION}`; name another file")
    version = head.removeprefix(_HEAD).strip()
    if version != str(VERSION):
        advice = "upgrade porter" if version.isdecimal() and int(version) > VERSION else "write it anew"
        raise BaselineError(f"{file}: is a baseline of format {version}, and this porter reads {VERSION}; {advice}")


def _entry(line: str, place: str) -> Entry:
    fields = line.split("\t")
    if len(fields) != len(Entry._fields):
        advice = "restore the line, or run `porter check --write-baseline`"
        raise BaselineError(f"{place}: is not file, rule, symbol and code with tabs between them; {advice}")
    path, *others = (_ESCAPED.sub(lambda m: _PLAIN.get(m[1], m[1]), field) for field in fields)
    return Entry(os.path.normpath(path).replace(os.sep, "/"), *others)


def _line(entry: Entry) -> str:
    path, *others = ("".join(_ESCAPES.get(c, c) for c in field) for field in entry)
    odd = path.startswith("#") or _CONFLICT.match(path)  # would read as something else
    return "\t".join([f"./{path}" if odd else path, *others])
