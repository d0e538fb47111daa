"""Dotted names as they stand in the text, and the least edit that makes one of them another."""

from __future__ import annotations

import re

import msgspec

from porter.index.site import Site
from porter.rules.base import TextEdit

_NAME = re.compile(rb"[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*")
_DOT = re.compile(rb"[ \t\f\r\n\\]*\.[ \t\f\r\n\\]*")


class Part(msgspec.Struct, frozen=True):
    """One name of a dotted chain, with its span."""

    name: str
    start: int
    end: int


def chain(text: bytes, site: Site) -> tuple[Part, ...]:
    """The names that ``a.b.c`` at the site consists of; empty where something else stands there."""
    parts = []
    at = site.start
    while site.editable and (match := _NAME.match(text, at, site.end)):
        parts.append(Part(match.group().decode(), *match.span()))
        if match.end() == site.end:
            return tuple(parts)
        dot = _DOT.match(text, match.end(), site.end)
        at = dot.end() if dot else site.end
    return ()


def respell(parts: tuple[Part, ...], new: tuple[str, ...]) -> tuple[TextEdit, ...]:
    """Make the chain ``new``, touching only the names that differ: nothing, or one edit."""
    old = tuple(part.name for part in parts)
    same = min(len(old), len(new))
    head = next((i for i in range(same) if old[i] != new[i]), same)
    tail = next((i for i in range(same - head) if old[-1 - i] != new[-1 - i]), same - head)
    gone, come = parts[head : len(parts) - tail], ".".join(new[head : len(new) - tail])
    if gone and come:
        return (TextEdit(gone[0].start, gone[-1].end, come),)
    if gone:
        start, end = (gone[0].start, parts[-tail].start) if tail else (parts[head - 1].end, gone[-1].end)
        return (TextEdit(start, end, ""),)
    if come:
        at = parts[-tail].start if tail else parts[-1].end
        return (TextEdit(at, at, come + "." if tail else "." + come),)
    return ()
