"""Masks what IPython runs and Python does not: magics, shell lines, help. Every byte keeps its place."""

from __future__ import annotations

import re

import msgspec

from porter.sources.kinds import kind_of
from porter.sources.lines import logical_lines
from porter.sources.source import Fragment

_PYTHON = frozenset({"capture", "debug", "memit", "prun", "pypy", "python", "python3", "time", "timeit"})
_SHELL = frozenset({"!", "!!", "bash", "cmd", "script", "sh", "sx", "system"})
_NATIVE = frozenset({"cpp", "cu", "cuda", "nvcc", "nvcc_plus"})
_FILES = frozenset({"file", "writefile"})

# The last alternative is how Databricks writes cells of other languages.
_CELL_MAGIC = re.compile(
    rb"\s*%(?:%(?P<name>\w+|!!?)(?P<rest>[^\n]*)|(?P<other>fs|md|python|r|scala|sh|sql)[ \t]*(?=\n|\Z))\n?"
)
_LINE_MAGIC = re.compile(
    rb"""
    [ \t]*
    (?:
        (?P<timed>%(?:time|timeit|memit)(?:[ \t]+-[a-z]+(?:[ \t]*\d+)?)*[ \t]+(?=[^\s-]))
      | (?:[\w.,\[\]][\w.,\[\] \t]*=[ \t]*)?(?P<command>(?:!!?|%)(?!=)(?:[^\\\n]|\\\n|\\.)*)\n?
      | (?P<help>\?\??[^\n]+|%*[\w.*]+\?\??[ \t]*(?=\n|\Z))\n?
    )
    """,
    re.VERBOSE | re.DOTALL,
)
_HINT = re.compile(rb"^[ \t]*[%!?]|=[ \t]*[%!]|\?[ \t]*$", re.MULTILINE)


class Masked(msgspec.Struct, frozen=True):
    """A cell as Python: ``text`` is as long as the cell; ``spans`` are masked."""

    text: bytes
    spans: tuple[tuple[int, int], ...] = ()
    fragments: tuple[Fragment, ...] = ()


def mask(cell: bytes) -> Masked:
    """Make Python of a notebook's cell. Offsets in the result count from the start of the cell."""
    if _HINT.search(cell) is None:
        return Masked(cell)
    head = _CELL_MAGIC.match(cell)
    if head is None:
        return _mask_lines(cell, 0)
    name = (head["name"] or head["other"]).decode()
    argument = (head["rest"] or b"").decode("utf-8", "replace").split()
    kind = _kind(name, argument)
    if kind == "python":
        return _mask_lines(comment(cell[: head.end()]) + cell[head.end() :], head.end())
    fragments = (Fragment(kind, head.end(), cell[head.end() :]),) if kind else ()
    return Masked(comment(cell), ((0, len(cell)),), fragments)


def comment(text: bytes) -> bytes:
    """Turn every line into a comment of the same length."""
    return b"".join(_overwrite(line, b"#") for line in text.splitlines(keepends=True))


def _kind(magic: str, arguments: list[str]) -> str | None:
    """What a cell under ``%%magic`` holds, as `Source.kind`; None for what porter cannot read."""
    if magic in _FILES and arguments:
        return kind_of(arguments[-1])
    for kind, names in (("python", _PYTHON), ("shell", _SHELL), ("native", _NATIVE)):
        if magic in names:
            return kind
    return None


def _mask_lines(cell: bytes, start: int) -> Masked:
    """Mask line magics; what is before ``start`` is masked already."""
    pieces, fragments = [], []
    spans = [(0, start)] if start else []
    for line in logical_lines(cell, _LINE_MAGIC):
        text = cell[line.start : line.end]
        if (match := line.special) is not None:
            kind = str(match.lastgroup)
            at, end = match.span(kind)
            if kind == "timed":
                text = cell[line.start : at] + b"0".ljust(end - at - 1) + b";" + cell[end : line.end]
            else:
                text = cell[line.start : at] + _statement(cell[at : line.end])
            if kind == "command":
                sigil = len(match[kind]) - len(match[kind].lstrip(b"!%"))
                fragments.append(Fragment("shell", at + sigil, match[kind][sigil:]))
            spans.append((at, end))
        pieces.append(text)
    return Masked(b"".join(pieces), tuple(spans), tuple(fragments))


def _statement(command: bytes) -> bytes:
    """A harmless expression of the same length, which keeps a block from being empty."""
    first, *rest = command.splitlines(keepends=True)
    return _overwrite(first, b"0#") + b"".join(_overwrite(line, b"#") for line in rest)


def _overwrite(line: bytes, sign: bytes) -> bytes:
    """Put ``sign`` over the first bytes of ``line``, as far as they go, and cut no character in two."""
    body = line.rstrip(b"\r\n")
    tail = body[len(sign) :]
    cut = len(tail) - len(tail.lstrip(bytes(range(0x80, 0xC0))))
    return sign[: len(body)] + b"#" * cut + tail[cut:] + line[len(body) :]
