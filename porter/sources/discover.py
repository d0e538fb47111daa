# ruff: noqa: PTH100, PTH110, PTH112, PTH114, PTH116, PTH119, PTH120
"""From the paths on the command line to the files that porter reads, in a fixed order.

Inside a git work tree git itself says what belongs to it; elsewhere a walk honours ``.gitignore`` files. Neither
follows symbolic links. A file or link that the user names is taken as it is. Paths are strings here: for thousands of
files `pathlib` would cost more than everything else.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from porter.config import DEFAULT_EXCLUDE, ConfigError, Settings, relative, spec
from porter.limit import TooSlow, limited
from porter.model import Problem
from porter.reading import head, read_regular
from porter.sources.kinds import kind_of, kind_of_script

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

DATA_BYTES = 1_000_000  # YAML, JSON and TOML above this are data, not configuration

_CONFIGURATION = frozenset({"yaml", "json", "toml"})
_PLAIN = re.compile(r"[\w.-]+/?")
_OUTPUT = frozenset({"build", "dist"})  # what tools write, unless it is a package: `mypackage/dist/__init__.py`
_NO_NAMES = frozenset({"", ".", ".."})
_UNLISTED = re.compile(r"could not open directory '(.+?)/?': (.+)")
# A tree that is only looked at must not make porter run the programs that its configuration names.
_GIT = ("git", "-c", "core.fsmonitor=false", "-C")
_GIT_SECONDS = 60  # it may wait for a FIFO for ever: whatever is called `.gitignore` is read
_GIT_VARIABLES = frozenset({"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"})  # hooks set them


class Candidate(NamedTuple):
    """A file to look at. ``path`` opens it; ``display`` is relative to the working directory, with ``/``."""

    path: str
    display: str
    kind: str


class Discovery(NamedTuple):
    """What the paths hold, and what could not be listed; sorted by path."""

    candidates: list[Candidate]
    problems: list[Problem]


def discover(paths: Iterable[str | os.PathLike[str]], settings: Settings) -> Discovery:
    """List the files below ``paths`` that porter knows how to read, each once.

    Directories are searched without what ``settings`` exclude. Files are taken regardless, unless ``force_exclude``.
    """
    excluded = _Excluded(settings)
    found: dict[str, Candidate] = {}
    problems: dict[str, Problem] = {}
    for given in paths:
        path = os.path.abspath(given)
        display = relative(path, os.curdir)
        if os.path.isdir(path):
            tree = _Tree(path, display, relative(path, settings.root), excluded, problems)
            try:
                with limited(settings.seconds_per_file):
                    found.update((candidate.path, candidate) for candidate in tree.candidates())
            except TooSlow:
                advice = "look for patterns with many stars in settings and .gitignore, or raise `seconds-per-file`"
                message = f"takes more than {settings.seconds_per_file:g} s to list; {advice}"
                problems[display] = Problem(display, message)
        elif not (settings.force_exclude and excluded(relative(path, settings.root), "")):
            outcome = _named(path, display)
            if isinstance(outcome, Problem):
                problems[display] = outcome
            else:
                found[path] = outcome
    return Discovery(sorted(found.values(), key=lambda c: c.display), sorted(problems.values(), key=lambda p: p.path))


class _Excluded:
    """The exclude patterns. Plain names, which most are, cost one look at a path's parts."""

    def __init__(self, settings: Settings) -> None:
        patterns = settings.exclude + settings.extend_exclude
        plain = frozenset(p for p in patterns if _PLAIN.fullmatch(p))
        if any(p.startswith("!") for p in patterns):  # then their order matters
            plain = frozenset()
        self.names = frozenset(p.rstrip("/") for p in plain)
        self.others = tuple(p for p in patterns if p not in plain)
        by_default = settings.exclude == DEFAULT_EXCLUDE
        self.output = _OUTPUT.difference(settings.extend_exclude) if by_default else frozenset()
        self.root = settings.root
        self.packages: dict[str, bool] = {}

    def __call__(self, name: str, above: str) -> bool:
        """Whether ``name`` is excluded; ``above`` leads from the configuration to where ``name`` starts."""
        parts = name.split("/")
        found = self.names.intersection(parts)
        if found and not (found <= self.output and self.is_source(parts, above)):
            return True
        return bool(self.others) and spec(self.others).match_file(above + name)

    def is_source(self, parts: list[str], above: str) -> bool:
        """Whether every folder of a path that has the name of build output is a package of the program."""
        folders = [above + "/".join(parts[: i + 1]) for i, part in enumerate(parts) if part in self.output]
        for folder in folders:
            if folder not in self.packages:
                self.packages[folder] = os.path.lexists(f"{self.root}/{folder}/__init__.py")
        return all(self.packages[folder] for folder in folders)


class _Tree(NamedTuple):
    """A directory that the user named. Names are relative to it, with ``/``."""

    path: str
    display: str
    place: str  # relative to the configuration
    excluded: _Excluded
    problems: dict[str, Problem]

    def candidates(self) -> Iterator[Candidate]:
        """The files in it that porter reads."""
        prefix = "" if self.display == "." else self.display + "/"
        above = "" if self.place == "." else self.place + "/"
        names = self.list_git() if _in_work_tree(self.path) else None
        for name in names or self.walk(above):  # git lists nothing below a directory that it ignores
            script = "." not in name[name.rfind("/") + 1 :]
            kind = kind_of(name)
            if (kind is None and not script) or self.excluded(name, above):
                continue
            path = f"{self.path}/{name}"
            try:
                info = os.lstat(path)
            except OSError as error:
                if not isinstance(error, FileNotFoundError):
                    self.unlisted(os.path.dirname(name), error.strerror)
                continue
            if not stat.S_ISREG(info.st_mode) or (kind in _CONFIGURATION and info.st_size > DATA_BYTES):
                continue
            if kind is None and info.st_mode & 0o111:
                kind = kind_of_script(head(path))
            if kind is not None:
                yield Candidate(path, _printable(prefix + name), kind)

    def list_git(self) -> list[str] | None:
        """What git tracks or would track, nested repositories included; None where git fails."""
        names: list[str] = []
        pending = [""]
        while pending:
            prefix = pending.pop()
            result = _ask_git(f"{self.path}/{prefix}")
            if result is None:
                if not prefix:
                    return None
                continue
            listed, complaints = result
            for name, reason in _UNLISTED.findall(complaints):
                self.unlisted(prefix + name, reason)
            for entry in listed.split("\0"):  # "? name" or "H 100644 <object> 0\tname"
                tag, other = entry[:1], entry.startswith("? ")
                name = entry[2:] if other else entry[entry.find("\t") + 1 :]
                if (other and name.endswith("/")) or entry[2:8] == "160000":
                    nested = f"{prefix}{name.rstrip('/')}/"
                    if os.path.exists(f"{self.path}/{nested}.git"):
                        pending.append(nested)
                elif name and tag != "S" and (other or entry[2:8] != "120000"):
                    names.append(prefix + name)
        return self.inside(names)

    def inside(self, names: Iterable[str]) -> list[str]:
        """The names that lead to files of this tree. An index may hold others, and folders that are links by now."""
        plain = {"": True}

        def leads_inside(folder: str) -> bool:
            if folder not in plain:
                above, _, last = folder.rpartition("/")
                link = last in _NO_NAMES or os.path.islink(f"{self.path}/{folder}")
                plain[folder] = not link and leads_inside(above)
            return plain[folder]

        return [name for name in names if not name.startswith("/") and leads_inside(name.rpartition("/")[0])]

    def walk(self, above: str) -> Iterator[str]:
        """What lies in the directory, without what is excluded and what ``.gitignore`` files name."""
        pending: list[tuple[str, tuple[tuple[str, GitIgnoreSpec], ...]]] = [("", ())]
        while pending:
            prefix, ignore = pending.pop()
            try:
                with os.scandir(f"{self.path}/{prefix}") as entries:
                    listed = list(entries)
            except OSError as error:
                self.unlisted(prefix, error.strerror)
                continue
            if any(entry.name == ".gitignore" for entry in listed):
                ignore = (*ignore, (prefix, _gitignore(f"{self.path}/{prefix}.gitignore")))
            for entry in listed:
                if entry.is_symlink():
                    continue
                directory = entry.is_dir(follow_symlinks=False)
                name = f"{prefix}{entry.name}/" if directory else prefix + entry.name
                if not directory:
                    if not _ignored(name, ignore):
                        yield name
                elif not self.excluded(name, above) and not _ignored(name, ignore):
                    pending.append((name, ignore))

    def unlisted(self, name: str, reason: str | None) -> None:
        """Note a directory whose contents nobody can see."""
        path = _printable(os.path.normpath(f"{self.display}/{name}").replace(os.sep, "/"))
        message = f"cannot be listed: {(reason or 'unknown error').lower()}; make it readable or exclude it"
        self.problems[path] = Problem(path, message)


def _named(path: str, display: str) -> Candidate | Problem:
    """A path that the user named and that is no directory."""
    display = _printable(display)
    try:
        info = os.stat(path)
    except FileNotFoundError:
        return Problem(display, "does not exist; check the path")
    except OSError as error:
        return Problem(display, f"cannot be opened: {(error.strerror or str(error)).lower()}; check the path")
    if not stat.S_ISREG(info.st_mode):
        return Problem(display, "is not a regular file; name a file or a directory")
    name = os.path.basename(path)
    kind = kind_of(path.replace(os.sep, "/")) or kind_of_script(head(path)) or ("" if "." in name else "python")
    if not kind:
        return Problem(display, "is not a kind of file that porter reads; leave it out")
    return Candidate(path, display, kind)


def _ask_git(folder: str) -> tuple[str, str] | None:
    """What git lists in a folder, and what it complains of; None where it fails or does not come to an end."""
    import subprocess

    command = [*_GIT, folder, "ls-files", "-zcost", "--exclude-standard"]
    environment = {k: v for k, v in os.environ.items() if k not in _GIT_VARIABLES} | {"LC_ALL": "C"}
    try:
        result = subprocess.run(command, capture_output=True, env=environment, check=False, timeout=_GIT_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if result.returncode else (os.fsdecode(result.stdout), os.fsdecode(result.stderr))


def _in_work_tree(path: str) -> bool:
    while not os.path.lexists(f"{path}/.git"):
        parent = os.path.dirname(path)
        if parent == path:
            return False
        path = parent
    return True


def _gitignore(path: str) -> GitIgnoreSpec:
    """The patterns of one ``.gitignore``; like git, pass over what is no pattern."""
    try:
        lines = tuple(read_regular(path).decode(errors="replace").splitlines())
        return spec(lines)
    except OSError:
        return spec(())
    except ConfigError:
        return spec(tuple(line for line in lines if _is_pattern(line)))


def _is_pattern(line: str) -> bool:
    try:
        spec((line,))
    except ConfigError:
        return False
    return True


def _ignored(name: str, ignore: tuple[tuple[str, GitIgnoreSpec], ...]) -> bool:
    """Whether the nearest ``.gitignore`` that mentions ``name`` excludes it."""
    for prefix, patterns in reversed(ignore):
        include = patterns.check_file(name[len(prefix) :]).include
        if include is not None:
            return include
    return False


def _printable(path: str) -> str:
    """``path`` fit for any output, should its name be no valid text."""
    return path if path.isascii() else os.fsencode(path).decode("utf-8", "replace")
