"""A patch as people like to see it."""

from __future__ import annotations

from porter.report.paint import Paint

_COLORS = {b"+": "green", b"-": "red", b"@": "cyan", b"d": "bold"}


def colorize(patch: bytes, paint: Paint) -> bytes:
    """The patch with colours, for people; `git apply` no longer takes it."""
    return b"\n".join(_colored(line, paint) for line in patch.split(b"\n"))


def _colored(line: bytes, paint: Paint) -> bytes:
    style = _COLORS.get(line[:1])
    if style is None:
        return line
    return paint(line.decode("utf-8", "surrogateescape"), style).encode("utf-8", "surrogateescape")
