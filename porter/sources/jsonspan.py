"""A JSON reader that knows where strings stand: it reads what its caller names and lets C read the rest.

A reader takes a text and a position, and returns a value and the position after it. The text is JSON bytes decoded
as Latin-1, so that positions are byte offsets; `json.JSONDecodeError` says where it is broken.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from json.decoder import JSONDecodeError, JSONDecoder, scanstring  # type: ignore[attr-defined]
from typing import Any

import msgspec

Reader = Callable[[str, int], tuple[Any, int]]

_SPACE = re.compile(r"[ \t\r\n]*")
_scan: Reader = JSONDecoder().scan_once  # type: ignore[attr-defined]


class Span(msgspec.Struct, frozen=True):
    """Where the inside of a JSON string stands, quotes excluded."""

    start: int
    end: int


def document(text: str, reader: Reader, at: int = 0) -> Any:
    """Read all of ``text`` from ``at`` on."""
    value, at = reader(text, _skip(text, at))
    if (at := _skip(text, at)) != len(text):
        raise JSONDecodeError("Extra data", text, at)
    return value


def anything(text: str, at: int) -> tuple[Any, int]:
    """Read any value, as `json` does."""
    try:
        return _scan(text, at)
    except StopIteration as stop:
        raise JSONDecodeError("Expecting value", text, stop.value) from None
    except RecursionError:
        raise JSONDecodeError("Nested too deeply", text, at) from None


def span(text: str, at: int) -> tuple[Any, int]:
    """Read a string as its `Span`, any other value as `anything` does."""
    if text[at : at + 1] != '"':
        return anything(text, at)
    _, end = scanstring(text, at + 1, True)
    return Span(at + 1, end - 1), end


def array(item: Reader) -> Reader:
    """Read an array whose items ``item`` reads; hand anything but an array to ``item``."""

    def read(text: str, at: int) -> tuple[Any, int]:
        if text[at : at + 1] != "[":
            return item(text, at)
        values = []
        at, done = _open(text, at, "]")
        while not done:
            value, at = item(text, at)
            values.append(value)
            at, done = _separator(text, at, "]")
        return values, at

    return read


def members(**readers: Reader) -> Reader:
    """Read an object, the members named here with their readers; read anything but an object as `anything` does."""

    def read(text: str, at: int) -> tuple[Any, int]:
        if text[at : at + 1] != "{":
            return anything(text, at)
        values = {}
        at, done = _open(text, at, "}")
        while not done:
            key, at = _key(text, at)
            values[key], at = readers.get(key, anything)(text, at)
            at, done = _separator(text, at, "}")
        return values, at

    return read


def _skip(text: str, at: int) -> int:
    return _SPACE.match(text, at).end()  # type: ignore[union-attr]


def _open(text: str, at: int, closing: str) -> tuple[int, bool]:
    """Step over an opening bracket: the position of the first value, or the end of an empty list."""
    at = _skip(text, at + 1)
    return (at + 1, True) if text[at : at + 1] == closing else (at, False)


def _separator(text: str, at: int, closing: str) -> tuple[int, bool]:
    """Step over a comma to the next value, or over the closing bracket to the end."""
    at = _skip(text, at)
    if text[at : at + 1] == closing:
        return at + 1, True
    if text[at : at + 1] != ",":
        raise JSONDecodeError(f"Expecting ',' or '{closing}'", text, at)
    return _skip(text, at + 1), False


def _key(text: str, at: int) -> tuple[str, int]:
    """Read a key and its colon: the key, and the position of its value."""
    if text[at : at + 1] != '"':
        raise JSONDecodeError("Expecting a key in double quotes", text, at)
    key, at = scanstring(text, at + 1, True)
    at = _skip(text, at)
    if text[at : at + 1] != ":":
        raise JSONDecodeError("Expecting ':'", text, at)
    return key, _skip(text, at + 1)
