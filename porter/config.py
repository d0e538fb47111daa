"""`[tool.porter]` in the nearest ``pyproject.toml``, or ``porter.toml``: found, read strictly, merged with options."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from porter.model import Finding, Severity, Verdict
from porter.reading import read_regular

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

    from porter.rules.base import Rule

DEFAULT_EXCLUDE = (
    ".bzr",
    ".direnv",
    ".eggs",
    ".git",
    ".hg",
    ".ipynb_checkpoints",
    ".mypy_cache",
    ".nox",
    ".pants.d",
    ".porter_cache",
    ".porter_oracle",
    ".pyenv",
    ".pytest_cache",
    ".pytype",
    ".ruff_cache",
    ".svn",
    ".tox",
    ".venv",
    ".vscode",
    "__pycache__",
    "__pypackages__",
    "_build",
    "buck-out",
    "build",
    "dist",
    "node_modules",
    "site-packages",
    "venv",
)
COMMAND_LINE = "command line"
_RELEASE = re.compile(r"2\.(?:[6-9]|[1-9]\d+)|(?:[3-9]|[1-9]\d+)\.\d+")
COMPUTED = ("root", "targets")  # fields of `Settings` that are no keys
DEFAULT_FAIL_ON = (Verdict.AUTO, Verdict.REVIEW, Verdict.MANUAL, Verdict.BLOCKED, Verdict.UNKNOWN)
DEFAULT_SEVERITY = {"unused-suppression": Severity.WARNING}
DEFAULT_TEST_PATHS = (
    "test/",
    "tests/",
    "testing/",
    "test_*.py",
    "*_test.py",
    "*_tests.py",
    "unit_test*.py",
    "conftest.py",
)


class ConfigError(ValueError):
    """A setting that porter cannot use. The message names the file, the key and the remedy."""


Target = Literal["neuron", "portable", "xla"]
OutputFormat = Literal[
    "full", "concise", "grouped", "json", "jsonl", "sarif", "github", "gitlab", "junit", "rdjson", "markdown"
]
Backend = Literal["cpu", "sim", "xla-cpu", "neuron"]


class Verify(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """``[tool.porter.verify]``: what holds for all cases. Paths are relative to the file that says so."""

    original: str = "original"  # source root of the program as it was
    port: str = "port"  # source root of the port
    oracle: str = ".porter_oracle"  # where the original's results are frozen
    backends: tuple[Backend, ...] = ("sim", "xla-cpu", "neuron")
    require: tuple[Backend, ...] = ()
    cases: dict[str, dict[str, Any]] = {}  # by name; read by `porter.verify.cases`


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """What the user asked for. Every field but those in `COMPUTED` is a key of ``[tool.porter]``.

    Selectors are codes (``PRT101``), prefixes (``PRT1``), names (``cuda-method``) and ``ALL``.
    Patterns are those of ``.gitignore``, relative to ``root``.
    """

    target: Target = "neuron"  # in a file also a list: see ``targets``
    select: tuple[str, ...] | None = None  # None: the rules that are on by default
    ignore: tuple[str, ...] = ()
    extend_select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = DEFAULT_EXCLUDE
    extend_exclude: tuple[str, ...] = ()
    force_exclude: bool = False  # exclude files that the command line names, too
    per_file_ignores: dict[str, tuple[str, ...]] = {}
    catalogue: tuple[str, ...] = ()  # TOML files with rows of the user's own; absolute once loaded
    test_paths: tuple[str, ...] = DEFAULT_TEST_PATHS
    fail_on: tuple[Verdict, ...] = DEFAULT_FAIL_ON  # verdicts on which `check` fails
    guarded: bool = False  # `check` also fails on what runs only under a test for CUDA
    severity: dict[str, Severity] = {}  # by selector: the most that `check` makes of a finding
    max_findings: Annotated[int, msgspec.Meta(ge=0)] = 0  # `check` passes with as many
    baseline: str | None = None  # findings that `check` knows; absolute once loaded
    baseline_strict: bool = False  # `check` also fails on entries that have no finding any more
    output_format: OutputFormat = "full"
    min_torch: str = "2.6"  # the oldest release that `portable` code is to run with
    jobs: Annotated[int, msgspec.Meta(ge=0)] = 0  # processes; 0: as many as the work is worth
    seconds_per_file: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 30  # of processor time; 0: any
    cache: bool = True
    cache_dir: str = ".porter_cache"  # absolute once loaded
    verify: Verify = Verify()
    root: str = ""  # directory that patterns and paths are relative to
    targets: tuple[Target, ...] = ()  # `check` fails on what needs a change for each of them; the first is ``target``

    def enables(self, rule: Rule) -> bool:
        """Whether ``rule`` is to run: the most specific selector decides, ``ignore`` before ``select``."""
        select = self.extend_select if self.select is None else self.select + self.extend_select
        wanted = max((specificity(s, rule.code, rule.name) for s in select), default=0)
        if self.select is None and rule.default:
            wanted = max(wanted, 1)
        return wanted > max((specificity(s, rule.code, rule.name) for s in self.ignore), default=0)

    def ignores(self, path: str, code: str, name: str) -> bool:
        """Whether ``per-file-ignores`` silences a rule in the file at ``path`` (relative to the working directory)."""
        return any(
            any(specificity(s, code, name) for s in selectors) and self.matches((pattern,), path)
            for pattern, selectors in self.per_file_ignores.items()
        )

    def weigh(self, finding: Finding) -> Severity:
        """What the gate makes of a finding. Those that are no CUDA use (PRT0) have a verdict for show only."""
        quiet = finding.verdict not in self.fail_on or (finding.guarded and not self.guarded)
        if quiet and not finding.code.startswith("PRT0"):
            return Severity.NOTE
        table = DEFAULT_SEVERITY | self.severity
        closest = max(table, key=lambda selector: specificity(selector, finding.code, finding.name))
        return table[closest] if specificity(closest, finding.code, finding.name) else Severity.ERROR

    def is_test(self, path: str) -> bool:
        """Whether the file at ``path`` (relative to the working directory) is a test, by ``test-paths``."""
        return self.matches(self.test_paths, path)

    def matches(self, patterns: tuple[str, ...], path: str) -> bool:
        """Whether gitignore ``patterns`` hold for ``path`` (relative to the working directory)."""
        return bool(patterns) and spec(patterns).match_file(relative(path, self.root))


def specificity(selector: str, code: str, name: str) -> int:
    """How closely ``selector`` names a rule: 0 not at all, more for longer prefixes, most for code or name."""
    if selector in (code, name):
        return len(code) + 2
    if selector == "ALL":
        return 1
    return len(selector) + 1 if selector.startswith("PRT") and code.startswith(selector) else 0


def check_selectors(settings: Settings, rules: Iterable[Rule]) -> None:
    """Raise ConfigError for a selector that selects no rule."""
    rules = tuple(rules)
    lists = (settings.select or (), settings.extend_select, settings.ignore, *settings.per_file_ignores.values())
    given = (*lists, tuple(settings.severity))
    for selector in (s for group in given for s in group):
        if not any(specificity(selector, rule.code, rule.name) for rule in rules):
            known = [name for rule in rules for name in (rule.code, rule.name)]
            raise ConfigError(f"`{selector}` selects no rule{suggestion(selector, known)}")


def load(
    start: str | os.PathLike[str] = ".",
    config: str | os.PathLike[str] | None = None,
    *,
    isolated: bool = False,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """The settings for a run.

    Args:
        start: file or directory from where to look upwards for the nearest configuration.
        config: file to use instead.
        isolated: use no file at all.
        overrides: options by field name; None means not given. ``extend_*`` add to the file's, others replace it.

    Raises:
        ConfigError: no such file, broken TOML, an unknown key or a wrong value.
    """
    settings, _ = load_traced(start, config, isolated=isolated, overrides=overrides)
    return settings


def load_traced(
    start: str | os.PathLike[str] = ".",
    config: str | os.PathLike[str] | None = None,
    *,
    isolated: bool = False,
    overrides: Mapping[str, Any] | None = None,
) -> tuple[Settings, dict[str, list[str]]]:
    """As `load`; with who has set each key: the file's path, `COMMAND_LINE`, or both for a list that was extended."""
    file, table = (None, {}) if isolated else _from(Path(config)) if config else _nearest(Path(start).absolute())
    origins = {key: [str(file)] for key in table}
    table = dict(table)
    for field, value in (overrides or {}).items():
        key = field.replace("_", "-")
        if value is None or (key.startswith("extend-") and not value):
            continue
        extends = key.startswith("extend-") and key in table
        table[key] = [*table[key], *value] if extends else value
        origins[key] = [*origins.get(key, ()), COMMAND_LINE] if extends else [COMMAND_LINE]
    settings = _convert(table, str(file) if file else COMMAND_LINE)
    root = file.parent if file else Path.cwd()
    settings = msgspec.structs.replace(
        settings,
        root=str(root),
        catalogue=tuple(str(root / name) for name in settings.catalogue),
        cache_dir=str(root / settings.cache_dir),
        baseline=settings.baseline and str(root / settings.baseline),
    )
    return settings, origins


def _from(file: Path) -> tuple[Path, dict[str, Any]]:
    file = file.absolute()
    try:
        table = _read(file)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {(error.strerror or str(error)).lower()}") from error
    if table is None:
        raise ConfigError(f"{file}: has no [tool.porter]")
    return file, table


def _nearest(start: Path) -> tuple[Path | None, dict[str, Any]]:
    """The first file, from ``start`` upwards, that configures porter."""
    for directory in (start, *start.parents):
        for name in ("porter.toml", "pyproject.toml"):
            file = directory / name
            try:
                table = _read(file)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                if not os.access(directory, os.X_OK):
                    continue  # nobody can tell what is in there
                raise ConfigError(f"{file}: cannot be read: {(error.strerror or str(error)).lower()}") from error
            if table is not None:
                return file, table
    return None, {}


def _read(file: Path) -> dict[str, Any] | None:
    """The table that configures porter; None where a ``pyproject.toml`` has none. Raises OSError."""
    raw = read_regular(file)
    own = file.name != "pyproject.toml"
    if not own and b"porter" not in raw:
        return None  # the usual case, and half of this module's time
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        content = tomllib.loads(raw.decode())
    except (ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError both are of the first kind
        raise ConfigError(f"{file}: is not valid TOML: {error}") from error
    tool = content.get("tool", {})
    table = tool.get("porter", content if own else None) if isinstance(tool, dict) else None
    if table is not None and not isinstance(table, dict):
        raise ConfigError(f"{file}: `tool.porter` is not a table; write [tool.porter]")
    return table


def _convert(table: dict[str, Any], where: str) -> Settings:
    _check_keys(table, Settings, where)
    if isinstance(targets := table.get("target"), list | tuple):
        if not targets:
            raise ConfigError(f"{where}: `target`: name at least one")
        table = {**table, "target": targets[0], "targets": tuple(dict.fromkeys(targets))}
    if isinstance(table.get("verify"), dict):
        _check_keys(table["verify"], Verify, f"{where}: [tool.porter.verify]")
    try:
        settings = msgspec.convert(table, Settings)
        if not _RELEASE.fullmatch(settings.min_torch):
            raise ConfigError(f"{where}: `min-torch`: `2.6`, the first release with torch.accelerator, or a later one")
        return settings
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$")
        key = path.strip("`").lstrip(".") or "tool.porter"
        reason = reason.replace(" | null", "").replace("array", "list")
        raise ConfigError(f"{where}: `{key}`: {reason[:1].lower()}{reason[1:]}") from error


def _check_keys(table: dict[str, Any], kind: type[msgspec.Struct], where: str) -> None:
    """Raise ConfigError for a key that ``kind`` has no field for."""
    known = [field.encode_name for field in msgspec.structs.fields(kind) if field.name not in COMPUTED]
    for key in table:
        if key not in known:
            raise ConfigError(f"{where}: unknown key `{key}`{suggestion(key, known)}")


def suggestion(word: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown ``word``: what it may have been meant to be, or what there is."""
    from difflib import get_close_matches

    names = list(known)
    if close := get_close_matches(word, names, n=1) or get_close_matches(word.replace("_", "-"), names, n=1):
        return f"; did you mean `{close[0]}`?"
    return f"; known are {', '.join(sorted(names))}" if len(names) < 30 else ""


def relative(path: str, root: str) -> str:
    """``path`` as seen from ``root``, with ``/``."""
    inside = os.path.relpath(path, root or ".")
    return inside if os.sep == "/" else inside.replace(os.sep, "/")


@lru_cache(maxsize=64)
def spec(patterns: tuple[str, ...]) -> GitIgnoreSpec:
    """Compile gitignore patterns. Raises ConfigError for one that is none."""
    from pathspec import GitIgnoreSpec

    try:
        return GitIgnoreSpec.from_lines(patterns)
    except (ValueError, re.error) as error:
        raise ConfigError(f"cannot use the pattern: {error}") from error
