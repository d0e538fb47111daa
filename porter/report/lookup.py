"""From what a person types to catalogue rows: symbols, packages, variables, devices, however they are spelled."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from porter.catalog import Catalogue, Row, is_member
from porter.index.site import KINDS
from porter.model import Finding

_CALL = re.compile(r"\(\s*(?:\.+\s*)?\)$")  # f() and f(...)
_POSITION = re.compile(r"@\d+(?=\)$)")
_SHORT = ("cuda.", "backends.", "distributed.", "amp.")  # names that people write without their `torch.`


def find(catalogue: Catalogue, word: str) -> list[Row]:
    """The rows that answer ``word``: by name in any kind, else by wildcard, else by the last part of the name."""
    name = bare(word)
    spellings = (name, "torch." + name) if name.startswith(_SHORT) else (name,)
    rows = _named(catalogue, spellings)
    if name.startswith("."):
        rows += [row for row in _members(catalogue, name) if is_member(row.name) and row.name.endswith(name)]
    if not rows:
        guesses = (*spellings, name.upper(), _normal(name))
        rows = [row for guess in guesses for kind in KINDS if (row := catalogue.find(kind, guess))][:1]
    return list({(row.kind, row.name): row for row in rows or _members(catalogue, "." + name)}.values())


def row_of(finding: Finding, catalogue: Catalogue) -> Row | None:
    """The row that a finding was judged by: the one of its rule, if several kinds of sites have a row of that name."""
    rows = [row for kind in KINDS if (row := catalogue.find(kind, finding.symbol or "")) is not None]
    return next((row for row in rows if row.rule == finding.name), next(iter(rows), None))


def near(catalogue: Catalogue, word: str) -> list[str]:
    """Names that look like ``word``, the likest first."""
    names = {_fold(name): placeless(name) for row in catalogue.rows() for name in _names(row)}
    return [names[fold] for fold in get_close_matches(_fold(bare(word)), names, n=5, cutoff=0.6)]


def _named(catalogue: Catalogue, spellings: Sequence[str]) -> list[Row]:
    """Rows with one of these names: those spelled just so first, and Python's before those of other files."""
    order = list(KINDS)
    folded = set(map(_fold, spellings))

    def place(row: Row) -> tuple[bool, int]:
        exact = any(name in spellings for name in (row.name, *row.also))
        return not exact, order.index(row.kind) if row.kind in order else len(order)

    rows = [row for row in catalogue.rows() if not folded.isdisjoint(map(_fold, _names(row)))]
    return sorted(rows, key=place)


def _members(catalogue: Catalogue, dotted: str) -> list[Row]:
    """Rows whose last part is ``dotted``, arguments of such a function included."""
    end = _fold(dotted)
    return [row for row in catalogue.rows() if any(_fold(n).partition("(")[0].endswith(end) for n in _names(row))]


def bare(word: str) -> str:
    """``word`` without quotes and without the brackets of a call."""
    return _CALL.sub("", word.strip().strip("`'\""))


def placeless(name: str) -> str:
    """A row's name as people write it: ``torch.load(map_location)``."""
    return _POSITION.sub("", name)


def _names(row: Row) -> Iterator[str]:
    """Every name of a row; a package's wildcard is the package's own name too."""
    for name in (row.name, *row.also, *row.distributions):
        yield name
        if name.endswith(".*") and name.count(".") == 1:
            yield name[:-2]


def _fold(name: str) -> str:
    return placeless(name).casefold().replace("_", "-")


def _normal(name: str) -> str:
    """As a distribution's name is normalised."""
    return re.sub(r"[-_.]+", "-", name).lower()
