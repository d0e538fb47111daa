"""Scalars of JSON, and of the flow style that YAML and TOML share with it, with their keys and positions.

Like `porter.sources.files.yaml` and `porter.sources.files.toml`, this reader is tolerant (templates, comments, broken
brackets), takes one pass and needs no library: what matters is where a value stands, which parsers do not tell.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from typing import NamedTuple

from porter.sources.files.view import BLANKS, Word

Path = tuple[str, ...]
DEPTH = 16  # keys kept of a path: the last ones count, and garbage may nest without end


class Item(NamedTuple):
    """One scalar. Elements of a list have the path of the list. ``start:end`` is the value inside its quotes."""

    path: Path
    value: str  # escapes left as they are
    start: int
    end: int
    key: Word  # the last key; an empty word where there is none
    block: bool = False  # a YAML block scalar, or a TOML string of several lines


class Grammar(NamedTuple):
    """What tells the flow styles apart."""

    token: re.Pattern[str]
    key_end: re.Pattern[str]  # follows a scalar that is a key


def _grammar(separator: str, inside: str) -> Grammar:
    """``separator`` ends a key; it is part of a plain scalar where ``inside`` matches."""
    token = rf"""\s*(?:(?P<string>"(?:\\.|[^"\\\n])*"?|'[^'\n]*'?)
      | (?P<open>[{{\[]) | (?P<close>[}}\]]) | (?P<comma>,)
      | (?P<comment>\#[^\n]*|//[^\n]*)
      | (?P<plain>(?:[^\s,{{}}\[\]"'\#{separator}]|(?<=\S)["'\#]|[ \t]+(?=[^\s,{{}}\[\]\#{separator}])|{inside})+)
      | (?P<other>.))"""
    return Grammar(re.compile(token, re.VERBOSE | re.ASCII | re.DOTALL), re.compile(rf"[ \t]*{separator}", re.ASCII))


JSON = _grammar(":", r":(?![\s,}\]])")  # and YAML
TOML = _grammar("=", "(?!)")
NO_KEY = Word("", 0, 0)


def below(path: Path, key: str) -> Path:
    """The path of ``key`` in the mapping at ``path``."""
    return (*path, key)[-DEPTH:]


def unquoted(text: str, start: int, end: int) -> Word:
    """The scalar ``start:end`` without blanks around it and quotes."""
    value = text[start:end].rstrip(BLANKS)
    if value[:1] in ('"', "'"):
        start += 1
        value = value[1:-1] if len(value) > 1 and value[-1] == value[0] else value[1:]
    return Word(value, start, start + len(value))


def flow(
    text: str, at: int, end: int, path: Path = (), key: Word = NO_KEY, grammar: Grammar = JSON
) -> Generator[Item, None, int]:
    """Scalars of the collection at ``at``. Returns where it ends."""
    stack: list[tuple[Path, Word]] = []  # where the open collections stand
    here = (path, key)  # where the next scalar stands
    while at < end:
        match = grammar.token.match(text, at, end)
        if match is None:  # nothing but blanks is left
            break
        kind, at = match.lastgroup, match.end()
        if kind == "open":
            stack.append(here)
        elif kind == "comma" and stack:
            here = stack[-1]
        elif kind == "close" and stack:
            here = stack.pop()
            if not stack:
                return at
        elif kind in ("string", "plain"):
            word = unquoted(text, match.start(kind), at)
            if separator := grammar.key_end.match(text, at, end):
                at = separator.end()
                here = (below(stack[-1][0] if stack else path, word.value), word)
            else:
                yield Item(here[0], word.value, word.start, word.end, here[1])
    return end


def read_json(text: str) -> Iterator[Item]:
    """Scalars of a JSON file, or of one document a line."""
    at = 0
    while at < len(text):
        at = yield from flow(text, at, len(text))
