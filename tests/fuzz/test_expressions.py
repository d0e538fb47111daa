"""Regular expressions on long repeats of what they are made of: none takes more time than the input's square.

A match that is tried at one place has to be linear, or nearly; a search may cost the square, as any that begins with
blanks does: porter searches lines, statements and windows.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import time
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product

import pytest

import porter

try:
    from re import _parser as parser  # type: ignore[attr-defined]
except ImportError:
    import sre_parse as parser

ELSEWHERE = ("simulate", "verify", "launch", "__main__", "lsp")  # they read no files of others
LONG, LONGISH = 6000, 1200  # characters, for a match and for a search
FAST = 0.01  # seconds in which the long one may take as long as it likes
SAMPLES = {"CATEGORY_WORD": "a1_", "CATEGORY_SPACE": " \t\n", "CATEGORY_DIGIT": "1"}
Pattern = re.Pattern[str] | re.Pattern[bytes]
# Only ever asked about one short word.
WORDS_ONLY = frozenset(
    {
        "porter.catalog._ARGUMENT",
        "porter.catalog.read._RELEASE",
        "porter.rules.placement.indices._OWN",
        "porter.sources.kinds._REQUIREMENTS",
    }
)


@cache
def patterns() -> dict[str, Pattern]:
    """Every compiled pattern that a module has, by itself or in a table."""
    found: dict[str, Pattern] = {}
    for info in pkgutil.walk_packages(porter.__path__, "porter."):
        if not any(part in ELSEWHERE for part in info.name.split(".")):
            for name, value in vars(importlib.import_module(info.name)).items():
                if name != "rows":
                    found.update(_within(f"{info.name}.{name}", value))
    return {name: pattern for name, pattern in found.items() if name not in WORDS_ONLY}


def _within(name: str, value: object, depth: int = 0) -> Iterator[tuple[str, Pattern]]:
    if isinstance(value, re.Pattern):
        yield name, value
    elif depth < 3 and isinstance(value, (tuple, list, frozenset, set)):
        for number, item in enumerate(value):
            yield from _within(f"{name}[{number}]", item, depth + 1)
    elif depth < 3 and isinstance(value, dict):
        for key, item in value.items():
            yield from _within(f"{name}[{key}]", item, depth + 1)
    elif depth < 3 and hasattr(value, "__struct_fields__") and not isinstance(value, type):
        for field in value.__struct_fields__:
            yield from _within(f"{name}.{field}", getattr(value, field), depth + 1)


def _characters(parsed: object) -> Iterator[str]:
    """Characters that a pattern takes at some place."""
    for operation, argument in parsed:  # type: ignore[attr-defined]
        match str(operation):
            case "LITERAL":
                yield chr(argument)
            case "NOT_LITERAL" | "ANY":
                yield "x"
            case "IN":
                for kind, item in argument:
                    if str(kind) == "LITERAL":
                        yield chr(item)
                    elif str(kind) == "RANGE":
                        yield chr(item[0])
                    else:
                        yield from SAMPLES.get(str(item), "x")
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                yield from _characters(argument[2])
            case "SUBPATTERN":
                yield from _characters(argument[3])
            case "BRANCH":
                for branch in argument[1]:
                    yield from _characters(branch)
            case "ASSERT" | "ASSERT_NOT":
                yield from _characters(argument[1])


def _units(pattern: Pattern) -> set[str]:
    """What to repeat: characters, pairs of them, and the pattern's own words."""
    text = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    known = sorted({char for char in _characters(parser.parse(pattern.pattern, pattern.flags)) if ord(char) < 256})[:10]
    words = sorted(set(re.findall(r"[A-Za-z_]{3,}", text)))[:6]
    return {*known, *words, *(a + b for a, b in product(known, known)), *(w + c for w, c in product(words, known[:5]))}


def _seconds(ask: Callable[..., object], unit: str, length: int, *, binary: bool) -> float:
    subject = unit * (length // len(unit)) + "\x01"
    data = subject.encode("latin-1") if binary else subject
    begin = time.process_time()
    ask(data)
    return time.process_time() - begin


def _growth(ask: Callable[..., object], unit: str, length: int, *, binary: bool) -> float:
    """By how much a subject takes longer that is four times as long: 4 is linear, 16 its square, 64 its cube."""
    if _seconds(ask, unit, length, binary=binary) < FAST:
        return 1
    short, long = (min(_seconds(ask, unit, n, binary=binary) for _ in range(3)) for n in (length // 4, length))
    return long / max(short, 1e-6)


@pytest.mark.parametrize("name", patterns())
def test_time_does_not_explode(name: str) -> None:
    pattern = patterns()[name]
    binary = isinstance(pattern.pattern, bytes)
    units = _units(pattern)
    slowest = sorted(units, key=lambda unit: -_seconds(pattern.match, unit, 300, binary=binary))[:3]
    for unit in slowest:
        assert _growth(pattern.match, unit, LONG, binary=binary) < 10, (unit, "a match takes the square")
    slowest = sorted(units, key=lambda unit: -_seconds(pattern.search, unit, 300, binary=binary))[:3]
    for unit in slowest:
        assert _growth(pattern.search, unit, LONGISH, binary=binary) < 40, (unit, "a search takes the cube")


def test_the_test_finds_them() -> None:
    assert _growth(re.compile(r"\s*,?\s*x").match, " ", LONG, binary=False) > 10
    assert _growth(re.compile(r"\s*,?\s*,?\s*x").match, " ", LONGISH, binary=False) > 40
    assert len(patterns()) > 200
