"""Changes to files as a patch that `git apply` takes, byte for byte."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from porter.report.paint import Paint

CONTEXT = 3
_NO_NEWLINE = b"\n\\ No newline at end of file\n"
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")  # git knows no newline but this one; others are part of the line
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_COLORS = {b"+": "green", b"-": "red", b"@": "cyan", b"d": "bold"}


def unified(path: str, before: bytes, after: bytes) -> bytes:
    """The change of one file in git's format; empty where nothing changes."""
    if before == after:
        return b""
    old, new = _quoted(f"a/{path}"), _quoted(f"b/{path}")
    head = os.fsencode(f"diff --git {old} {new}\n--- {old}\n+++ {new}\n")
    return head + b"".join(_hunks(_LINE.findall(before), _LINE.findall(after)))


def colorize(patch: bytes, paint: Paint) -> bytes:
    """The patch with colours, for people; `git apply` no longer takes it."""
    return b"".join(_colored(line, paint) for line in _LINE.findall(patch))


def _hunks(old: Sequence[bytes], new: Sequence[bytes]) -> Iterator[bytes]:
    for group in SequenceMatcher(None, old, new).get_grouped_opcodes(CONTEXT):
        (_, i, _, k, _), (_, _, j, _, n) = group[0], group[-1]
        yield f"@@ -{_range(i, j)} +{_range(k, n)} @@\n".encode()
        for tag, a, b, c, d in group:
            if tag == "equal":
                yield from (_line(b" ", line) for line in old[a:b])
            else:
                yield from (_line(b"-", line) for line in old[a:b])
                yield from (_line(b"+", line) for line in new[c:d])


def _line(sign: bytes, line: bytes) -> bytes:
    return sign + line if line.endswith(b"\n") else sign + line + _NO_NEWLINE


def _range(start: int, end: int) -> str:
    """Lines ``start:end`` as a hunk's header has them; an empty range names the line before it."""
    length = end - start
    return f"{start + bool(length)},{length}"


def _quoted(path: str) -> str:
    """A path as git writes it: quoted where it holds what would end it."""
    if not any(c in _ESCAPES for c in path):
        return path
    return f'"{"".join(_ESCAPES.get(c, c) for c in path)}"'


def _colored(line: bytes, paint: Paint) -> bytes:
    style = _COLORS.get(line[:1])
    if style is None:
        return line
    text = line.rstrip(b"\n")
    return paint(text.decode("utf-8", "surrogateescape"), style).encode("utf-8", "surrogateescape") + line[len(text) :]
