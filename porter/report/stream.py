"""JSON documents written piece by piece: memory does not grow with the number of findings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

HOLE = "\0items\0"  # stands where the items go: no path, and nothing read from a file, holds a NUL


def dump(value: object) -> str:
    """``value`` as indented JSON with a final newline."""
    return _pretty(value) + "\n"


def stream(frame: Mapping[str, object] | str, items: Iterable[object]) -> Iterator[str]:
    """Yield ``dump(frame)`` with the list of ``items`` in the place of `HOLE`, which is there once."""
    head, _, tail = dump(frame).partition(_pretty(HOLE))
    pad = " " * _indent(head)
    yield head + "["
    separator = "\n"
    for item in items:
        yield f"{separator}{pad}  " + _pretty(item).replace("\n", f"\n{pad}  ")
        separator = ",\n"
    yield ("]" if separator == "\n" else f"\n{pad}]") + tail


def _indent(text: str) -> int:
    """Blanks that the last line begins with."""
    last = text[text.rfind("\n") + 1 :]
    return len(last) - len(last.lstrip())


def _pretty(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
