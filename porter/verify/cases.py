"""What is to be verified: cases, read strictly from ``porter_cases.py`` or ``[tool.porter.verify.cases]``."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec

from porter.config import Backend, ConfigError, Settings, load, suggestion
from porter.verify.execute import Failed, describe

CASES_FILE = "porter_cases.py"
BACKENDS: tuple[Backend, ...] = get_args(Backend)
Precision = Literal["float32", "bfloat16", "float16"]
TOLERATED = ("loss", "output", "gradient", "update", "cosine")
_Positive = Annotated[float, msgspec.Meta(gt=0)]


class Case(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of both kinds of cases. `docs/verify.md` says what each means."""

    name: str
    precision: Precision = "float32"
    tolerance: dict[str, _Positive] = {}
    cuda_on_cpu: bool = False
    backends: tuple[Backend, ...] = BACKENDS
    timeout: _Positive = 300.0  # seconds for each run


class FactoryCase(Case, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A function of the user's that makes model, inputs and loss. ``factory`` is ``file.py:function``.

    Of a case in ``porter_cases.py`` whose factory is the function itself, it is the name of that file.
    """

    factory: str
    steps: Annotated[int, msgspec.Meta(ge=1)] = 5
    seed: int = 0
    autocast: bool = False


class CommandCase(Case, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Two commands that write or print what is compared."""

    original: tuple[str, ...]
    port: tuple[str, ...]
    losses: str | None = None
    results: tuple[str, ...] = ()
    environment: dict[str, str] = {}


class Suite(msgspec.Struct, frozen=True):
    """The cases of one folder, and where their code is. All paths are absolute."""

    name: str  # as the user called it
    root: Path
    original: Path
    port: Path
    oracle: Path
    cases: tuple[FactoryCase | CommandCase, ...]


def read(path: Path, settings: Settings | None = None) -> Suite:
    """The cases of a folder or of a file of cases, which is executed in a process of its own.

    Args:
        path: a folder, whose cases are those of its ``porter_cases.py`` and of the nearest configuration, or a
            Python file with ``CASES``.
        settings: the configuration, if not the nearest one.

    Raises:
        ConfigError: there are no cases, or one is not as it should be.
    """
    settings = settings or load(path)
    verify = settings.verify
    file = path if path.is_file() else path / CASES_FILE
    root = file.parent.absolute() if file.is_file() else Path(settings.root)
    tables: dict[str, Any] = {}
    original, port = verify.original, verify.port
    if file.is_file():
        try:
            found = describe(file.absolute())
        except Failed as error:
            raise ConfigError(f"{file}: {error}") from error
        tables = found["cases"]
        original, port = found.get("original") or original, found.get("port") or port
    if path.is_dir() and verify.cases and Path(settings.root) == root:
        if twice := sorted(tables.keys() & verify.cases.keys()):
            raise ConfigError(f"the case `{twice[0]}` stands both in {CASES_FILE} and in [tool.porter.verify.cases]")
        tables = {**tables, **verify.cases}
    if not tables:
        raise ConfigError(f"{path}: no cases: write {CASES_FILE} or [tool.porter.verify.cases] (see docs/verify.md)")
    suite = Suite(
        name=str(path),
        root=root,
        original=root / original,
        port=root / port,
        oracle=root / verify.oracle,
        cases=tuple(parse(name, table) for name, table in tables.items()),
    )
    for role, folder in (("original", suite.original), ("port", suite.port)):
        if not folder.is_dir():
            raise ConfigError(f"{path}: there is no folder {folder} with the {role}")
    return suite


def parse(name: str, table: Mapping[str, Any]) -> FactoryCase | CommandCase:
    """A case from its table. Raises ConfigError."""
    if not isinstance(table, Mapping):
        raise ConfigError(f"case `{name}`: is not a table of settings")
    kind = FactoryCase if "factory" in table else CommandCase
    values = {key.replace("-", "_"): value for key, value in table.items()}
    known = [field.name for field in msgspec.structs.fields(kind) if field.name != "name"]
    for key in values:
        if key not in known:
            raise ConfigError(f"case `{name}`: unknown key `{key}`{suggestion(key, known)}")
    for key in ("original", "port"):
        if kind is CommandCase and isinstance(values.get(key), str):
            values[key] = shlex.split(values[key])
    try:
        case = _convert({**values, "name": name})
    except msgspec.ValidationError as error:
        raise ConfigError(f"case `{name}`: {str(error).replace(' - at `$.', ': `')}") from error
    for key in case.tolerance:
        if key not in TOLERATED:
            raise ConfigError(f"case `{name}`: unknown tolerance `{key}`{suggestion(key, TOLERATED)}")
    if isinstance(case, CommandCase):
        _check_command(case)
    return case


def _convert(values: dict[str, Any]) -> FactoryCase | CommandCase:
    if "factory" in values:
        return msgspec.convert(values, FactoryCase)
    return msgspec.convert(values, CommandCase)


def _check_command(case: CommandCase) -> None:
    if not (case.losses or case.results):
        raise ConfigError(f"case `{case.name}`: nothing to compare: give `losses` or `results`")
    if not (case.original and case.port):
        raise ConfigError(f"case `{case.name}`: an empty command")
    for file in case.results:
        if not file.endswith((".jsonl", ".pt")):
            raise ConfigError(f"case `{case.name}`: `{file}` is neither *.jsonl nor *.pt")
    if case.losses:
        try:
            groups = re.compile(case.losses).groups
        except re.error as error:
            raise ConfigError(f"case `{case.name}`: `losses` is no regular expression: {error}") from error
        if not groups:
            raise ConfigError(f'case `{case.name}`: `losses` needs a group around the number, as in r"loss (\\S+)"')
