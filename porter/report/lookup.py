"""From what a person types to catalogue rows: symbols, packages, variables, devices, however they are spelled."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches

from porter.catalog import Catalogue, Row
from porter.index.site import KINDS

_CALL = re.compile(r"\(\s*\.*\s*\)$")  # f() and f(...)
_POSITION = re.compile(r"@\d+(?=\)$)")
_SHORT = ("cuda.", "backends.", "distributed.", "amp.")  # names that people write without their `torch.`


def find(catalogue: Catalogue, word: str) -> list[Row]:
    """The rows that answer ``word``: by name in any kind, else by wildcard, else by the last part of the name."""
    name = _bare(word)
    wanted = {_fold(name), _fold("torch." + name) if name.startswith(_SHORT) else _fold(name)}
    named = [row for row in catalogue.rows() if wanted & set(map(_fold, _names(row)))]
    if named:
        return named
    spellings = (name, "torch." + name) if name.startswith(_SHORT) else (name, name.upper(), _normal(name))
    matched = [row for spelling in spellings for kind in KINDS if (row := catalogue.find(kind, spelling))]
    if matched:
        return list(dict.fromkeys(matched))
    last = "." + _fold(name).lstrip(".")
    return [row for row in catalogue.rows() if any(_fold(n).endswith(last) for n in _names(row))]


def near(catalogue: Catalogue, word: str) -> list[str]:
    """Names that look like ``word``, the likest first."""
    names = {_fold(name): name for row in catalogue.rows() for name in _names(row)}
    return [names[fold] for fold in get_close_matches(_fold(_bare(word)), names, n=5, cutoff=0.6)]


def _bare(word: str) -> str:
    return _CALL.sub("", word.strip().strip("`'\""))


def _names(row: Row) -> Iterator[str]:
    """Every name of a row; a package's wildcard is the package's own name too."""
    for name in (row.name, *row.also, *row.distributions):
        yield name
        if name.endswith(".*") and name.count(".") == 1:
            yield name[:-2]


def _fold(name: str) -> str:
    return _POSITION.sub("", name).casefold().replace("_", "-")


def _normal(name: str) -> str:
    """As a distribution's name is normalised."""
    return re.sub(r"[-_.]+", "-", name).lower()
