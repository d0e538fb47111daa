"""Proof that a rewritten file which is not Python still reads as it did: what no edit touched says what it said."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import NamedTuple

from porter.sources.files.docker import instructions
from porter.sources.files.shell import commands
from porter.sources.files.toml import read_toml
from porter.sources.files.tree import Item, read_json
from porter.sources.files.view import View
from porter.sources.files.yaml import read_yaml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class Part(NamedTuple):
    """What the text says at ``start:end``: a value under its keys, a command."""

    said: Hashable
    start: int
    end: int


def _values(read: Callable[[str], Iterable[Item]]) -> Callable[[str], Iterator[Part]]:
    return lambda text: (Part((item.path, item.value), item.start, item.end) for item in read(text))


def _commands(text: str) -> Iterator[Part]:
    for command in commands(_view(text)):
        if command.words:
            said = tuple(word.value for word in command.words)
            yield Part(said, command.words[0].start, command.words[-1].end)


def _instructions(text: str) -> Iterator[Part]:
    for name, part in instructions(_view(text)):
        yield Part((name, *part.text.split()), part.base, part.base + len(part.text))


def _view(text: str) -> View:
    return View(text, 0, lambda _: 0)


# By kind of file: who reads it for the scanners, and who else knows whether it is well-formed.
_READERS: dict[str, Callable[[str], Iterator[Part]]] = {
    **dict.fromkeys(("yaml", "conda"), _values(read_yaml)),
    **dict.fromkeys(("toml", "pyproject"), _values(read_toml)),
    "json": _values(read_json),
    "shell": _commands,
    "docker": _instructions,
}
_PARSERS: dict[str, Callable[[str], object]] = {
    "json": json.loads,
    **dict.fromkeys(("toml", "pyproject"), tomllib.loads),
}


def broken(kind: str, before: str, after: str) -> str | None:
    """Why ``after`` does not read as ``before`` did, changed lines aside; None where it does, or nobody can tell."""
    parse = _PARSERS.get(kind)
    if parse is not None and _defect(parse, before) is None and (defect := _defect(parse, after)) is not None:
        return f"would not parse ({defect})"
    read = _READERS.get(kind)
    if read is None:
        return None
    old, new = Counter(before.splitlines()), Counter(after.splitlines())
    kept = {line for line, times in old.items() if new[line] == times}
    was, now = list(read(before)), list(read(after))
    lost, gained = _missing(was, now), _missing(now, was)
    odd = _beyond(lost, [part for part in was if not _stays(before, part, kept)])
    if odd is not None:
        return f"would not say what it did: {odd}"
    untouched = [part for part in now if part.said in gained and _stays(after, part, kept)]
    if len(untouched) > lost.total():  # a part in lines that stay is what is left of one that was longer
        return f"would say something new in a line that stays: {_lines(after, untouched[0])[0].strip()}"
    return None


def _missing(parts: list[Part], others: list[Part]) -> Counter[Hashable]:
    """How often ``parts`` say what ``others`` do not."""
    return Counter(part.said for part in parts) - Counter(part.said for part in others)


def _beyond(lost: Counter[Hashable], touched: list[Part]) -> Hashable | None:
    """Something that is lost more often than lines that said it were touched."""
    return next(iter(lost - Counter(part.said for part in touched)), None)


def _stays(text: str, part: Part, kept: set[str]) -> bool:
    """Whether no line of it was touched, as far as lines alike can be told."""
    return all(line in kept for line in _lines(text, part))


def _defect(parse: Callable[[str], object], text: str) -> str | None:
    try:
        parse(text)
    except (ValueError, RecursionError) as error:
        return str(error)
    return None


def _lines(text: str, part: Part) -> list[str]:
    start = text.rfind("\n", 0, part.start) + 1
    end = text.find("\n", max(part.start, part.end - 1))
    return text[start : len(text) if end < 0 else end].splitlines() or [""]
