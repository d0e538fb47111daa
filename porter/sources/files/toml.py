"""Scalars of TOML with their keys and positions."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator

from porter.sources.files.tree import TOML, Item, Path, below, flow, unquoted
from porter.sources.files.view import Word

_KEY = r"""(?:"[^"\n]*"|'[^'\n]*'|[\w-]+)"""
_DOTTED = rf"{_KEY}(?:[ \t]*\.[ \t]*{_KEY})*"
_TABLE = re.compile(rf"[ \t]*\[\[?[ \t]*({_DOTTED})[ \t]*\]", re.ASCII)
_PAIR = re.compile(rf"[ \t]*({_DOTTED})[ \t]*=[ \t]*", re.ASCII)
_PART = re.compile(_KEY, re.ASCII)
_LONG = re.compile(r'"""(?:[^"\\]|\\.|"(?!""))*"""|' + r"'''(?:[^']|'(?!''))*'''", re.DOTALL)
_SHORT = re.compile(r'"(?:\\.|[^"\\\n])*"' + r"|'[^'\n]*'|[^\s#'\"\[{][^\n#]*", re.ASCII)


def read_toml(text: str) -> Iterator[Item]:
    """Scalars of a TOML file, in order."""
    table: Path = ()
    at = 0
    while at < len(text):
        if header := _TABLE.match(text, at):
            table = _path((), header[1])
        elif pair := _PAIR.match(text, at):
            at = yield from _value(text, pair.end(), _path(table, pair[1]), unquoted(text, *pair.span(1)))
        at = (text.find("\n", at) + 1) or len(text)


def _path(path: Path, dotted: str) -> Path:
    for part in _PART.findall(dotted):
        path = below(path, part.strip("\"'"))
    return path


def _value(text: str, at: int, path: Path, key: Word) -> Generator[Item, None, int]:
    """Scalars of the value at ``at``. Returns where it ends."""
    if text.startswith(("[", "{"), at):
        return (yield from flow(text, at, len(text), path, key, TOML))
    if long := _LONG.match(text, at):
        yield Item(path, text[at + 3 : long.end() - 3], at + 3, long.end() - 3, key, block=True)
        return long.end()
    if short := _SHORT.match(text, at):
        word = unquoted(text, at, short.end())
        yield Item(path, word.value, word.start, word.end, key)
        return short.end()
    return at
