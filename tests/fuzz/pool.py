"""What the fuzzers are made of: the statements and files of the rules' own cases, and names of the catalogue."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from porter import catalog
from tests.literate import File, parse

CASES = Path(__file__).parents[1]
FOLDERS = ("rules", "together", "tricky")
LONGEST = 3000  # characters of a case


@cache
def files() -> tuple[File, ...]:
    """The files of all literate cases, each text once."""
    pages = sorted(page for folder in FOLDERS for page in (CASES / folder).rglob("*.md"))
    found = {
        (file.path, file.text): file
        for page in pages
        for case in parse(page.read_text(encoding="utf-8"))
        for file in case.files
        if len(file.text) <= LONGEST
    }
    return tuple(found.values())


@cache
def statements() -> tuple[str, ...]:
    """The statements of the cases in Python, imports and definitions included."""
    found: dict[str, None] = {}
    for file in files():
        if file.path.endswith(".py"):
            try:
                tree = ast.parse(file.text)
            except SyntaxError:
                continue
            for node in tree.body:
                found.setdefault("\n".join(file.text.splitlines()[node.lineno - 1 : node.end_lineno]))
    return tuple(found)


@cache
def others() -> tuple[tuple[str, str], ...]:
    """Path and contents of the cases that are no Python, notebooks included."""
    return tuple((file.path, file.content) for file in files() if not file.path.endswith(".py"))


@cache
def symbols() -> tuple[str, ...]:
    """Qualified names that have a row."""
    return _names("symbol", "torch.")


@cache
def methods() -> tuple[str, ...]:
    """Names of methods that have a row."""
    return tuple(name[1:] for name in _names("method", "."))


def _names(kind: str, prefix: str) -> tuple[str, ...]:
    found = {row.name for row in catalog.load().rows() if row.kind == kind and row.name.startswith(prefix)}
    return tuple(sorted(name for name in found if name.replace(".", "_").isidentifier()))
