"""What porter knows about CUDA and its equivalents: rows of data, and the look-up over them.

The TOML files beside this module are the catalogue. ``compiled.json`` holds the same rows in a form that
loads in milliseconds; it is used only while its digest matches the TOML files, so it can never be stale.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from hashlib import blake2b
from pathlib import Path

import msgspec

from porter.catalog.schema import Answer, CatalogueError, CatalogueFile, Row

__all__ = ["Answer", "Catalogue", "CatalogueError", "Parameter", "Row", "load"]

HERE = Path(__file__).parent
COMPILED = HERE / "compiled.json"
SOURCES = HERE / "sources.toml"

_ARGUMENT = re.compile(r"(?P<callable>.+)\((?P<name>\w+)(?:@(?P<position>\d+))?\)")


class Compiled(msgspec.Struct, frozen=True):
    """The built-in catalogue as one JSON document."""

    digest: str
    files: tuple[CatalogueFile, ...]


class Parameter(msgspec.Struct, frozen=True):
    """A parameter that has a row. ``position`` counts from 0; None where it is passed by keyword only."""

    name: str
    position: int | None
    row: Row


class _Table:
    """Rows of one kind by exact name, by prefix for names that end in ``*``, by ending for those that begin with it."""

    __slots__ = ("_endings", "_under", "exact")

    def __init__(self) -> None:
        self.exact: dict[str, Row] = {}
        self._endings: dict[str, Row] = {}  # of the first of the dotted names
        self._under: dict[str, dict[str, Row]] = {}  # owner, dot included -> prefixes that begin with it, longest first

    @property
    def prefixes(self) -> Iterator[str]:
        """The names that end in ``*``, without it."""
        return (prefix for prefixes in self._under.values() for prefix in prefixes)

    def add(self, name: str, row: Row) -> None:
        """Enter a row under one of its names, in the place of what was there."""
        if name.startswith("*") and "." not in name:
            self._endings[name[1:]] = row
            return
        if not name.endswith("*"):
            self.exact[name] = row
            return
        owner = name[: name.rfind(".") + 1]
        prefixes = {**self._under.get(owner, {}), name[:-1]: row}
        self._under[owner] = dict(sorted(prefixes.items(), key=lambda item: -len(item[0])))

    def find(self, name: str) -> Row | None:
        """The row of that name, else of the longest prefix, else of an ending; the work grows with the name's dots."""
        if (row := self.exact.get(name)) is not None:
            return row
        end = len(name) + 1
        while end:
            end = name.rfind(".", 0, end - 1) + 1
            if (prefixes := self._under.get(name[:end])) is not None:
                for prefix, row in prefixes.items():
                    if name.startswith(prefix):
                        return row
        root = name.partition(".")[0]
        return next((row for ending, row in self._endings.items() if root.endswith(ending)), None)


class Catalogue:
    """All rows, built in and the user's. Where both answer a name, the user's row does."""

    def __init__(self, files: Iterable[CatalogueFile], digest: str) -> None:
        """``files`` in order of increasing precedence; ``digest`` names their contents."""
        self.digest = digest
        self.files = tuple(files)
        self._tables: dict[str, _Table] = {}
        self._rows: dict[tuple[str, str], Row] = {}
        for file in self.files:
            for row in file.row:
                self._rows[row.kind, row.name] = row
                table = self._tables.setdefault(row.kind, _Table())
                for name in (row.name, *row.also):
                    table.add(spelling(row.kind, name), row)

    def find(self, kind: str, name: str) -> Row | None:
        """The row for a site: by exact name, else by the longest wildcard that matches; None where there is none.

        A symbol under a CUDA namespace always finds a row: in doubt one whose verdicts are ``unknown``.
        """
        table = self._tables.get(kind)
        return table.find(name) if table is not None else None

    def rows(self) -> Iterator[Row]:
        """Every row once, in the order of the files."""
        return iter(self._rows.values())

    def checked(self, row: Row, target: str) -> str:
        """The versions that the row's answer for ``target`` was checked against; empty where nobody said."""
        answer: Answer = getattr(row, target)
        return answer.checked or self._origin[id(row)].checked.get(target, "")

    @cached_property
    def _origin(self) -> dict[int, CatalogueFile]:
        return {id(row): file for file in self.files for row in file.row}

    @cached_property
    def sources(self) -> dict[str, str]:
        """What the keys in `Answer.source` stand for."""
        return read_sources()

    @cached_property
    def symbols(self) -> frozenset[str]:
        """Qualified names that have a row of their own (`find` also answers for those under `namespaces`)."""
        return frozenset(self._names("symbol").exact)

    @cached_property
    def namespaces(self) -> tuple[str, ...]:
        """Prefixes under which every symbol has a row: ``torch.cuda.``, ``torch._C._cuda``, for ``str.startswith``."""
        return tuple(sorted(self._names("symbol").prefixes))

    @cached_property
    def methods(self) -> frozenset[str]:
        """Attribute names, no dot, that have a row for some receiver: ``cuda``, ``is_cuda``, ``record_stream``."""
        named = {name.rpartition(".")[2] for name in self._names("method").exact}
        return frozenset(named.union(name.rpartition(".")[2] for name in self.symbols if is_member(name)))

    @cached_property
    def arguments(self) -> dict[str, dict[str, Parameter]]:
        """Callable, named as in `Site.name` before the bracket, to those of its parameters that have a row."""
        found: dict[str, dict[str, Parameter]] = {}
        for row in self.rows():
            if row.kind == "argument":
                for name in (row.name, *row.also):
                    function, parameter = parse_argument(name, row)
                    found.setdefault(function, {})[parameter.name] = parameter
        return found

    def _names(self, kind: str) -> _Table:
        return self._tables.get(kind) or _Table()


def parse_argument(name: str, row: Row) -> tuple[str, Parameter]:
    """Split ``torch.compile(mode@1)``. Raises ValueError where ``name`` is none such."""
    match = _ARGUMENT.fullmatch(name)
    if match is None:
        raise ValueError(f"`{name}` is not of the form `callable(parameter)` or `callable(parameter@position)`")
    position = match["position"]
    return match["callable"], Parameter(match["name"], None if position is None else int(position), row)


def spelling(kind: str, name: str) -> str:
    """A row's name as `Site.name` spells it: without the position of an argument."""
    return re.sub(r"@\d+\)$", ")", name) if kind == "argument" else name


def is_member(name: str) -> bool:
    """Whether a qualified name is a member of a class, by the capital that a class begins with."""
    owner = name.rpartition(".")[0].rpartition(".")[2]
    return owner[:1].isupper()


@lru_cache(maxsize=8)
def _load(user_files: tuple[Path, ...]) -> Catalogue:
    built_in = _built_in()
    if not user_files:
        return Catalogue(built_in.files, built_in.digest)
    from porter.catalog.read import read_user_file

    rules = frozenset(row.rule for file in built_in.files for row in file.row)
    users = tuple(read_user_file(path, rules) for path in user_files)
    return Catalogue((*built_in.files, *users), digest(user_files, built_in.digest.encode()))


def load(user_files: Sequence[Path] = ()) -> Catalogue:
    """The catalogue, with the rows of the user's TOML files on top. Loaded once per process and set of files.

    Raises:
        CatalogueError: a user's file cannot be read or is wrong; the message names file, row and remedy.
    """
    return _load(tuple(user_files))


def toml_files() -> list[Path]:
    """The TOML files that hold the built-in rows."""
    return sorted(path for path in HERE.glob("*.toml") if path != SOURCES)


def read_sources() -> dict[str, str]:
    """The key and text of every source that a row may name."""
    from porter.catalog.read import parse

    return msgspec.convert(parse(SOURCES)["source"], dict[str, str])


def _built_in() -> Compiled:
    paths = toml_files()
    key = digest(paths)
    try:
        compiled = msgspec.json.decode(COMPILED.read_bytes(), type=Compiled)
        if compiled.digest == key:
            return compiled
    except (OSError, msgspec.DecodeError):
        pass  # as good as stale
    from porter.catalog.read import read_files

    return Compiled(key, read_files(paths))


def digest(paths: Iterable[Path], seed: bytes = b"") -> str:
    """A digest of the files' names and bytes, continuing from ``seed``."""
    state = blake2b(seed, digest_size=16)
    for path in paths:
        state.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return state.hexdigest()
