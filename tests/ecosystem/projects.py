"""The pinned projects, and where their source lies on this machine."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import msgspec

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).parent


class Project(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of projects.toml."""

    name: str
    version: str
    form: str  # "sdist" or "wheel"
    size: int  # of the archive, bytes
    sha256: str
    kind: str

    @property
    def package(self) -> str:
        """The pinned release, as requirements name it."""
        return f"{self.name}=={self.version}"

    def tree(self, cache: Path) -> Path:
        """Where the unpacked source lies."""
        return cache / "src" / f"{self.name}-{self.version}"


def load(names: list[str] | None = None) -> list[Project]:
    """The projects of projects.toml, or those named. Exits with a message on a name that is not there."""
    with (HERE / "projects.toml").open("rb") as file:
        projects = msgspec.convert(tomllib.load(file)["project"], list[Project])
    known = {project.name: project for project in projects}
    unknown = sorted(set(names or ()) - set(known))
    if unknown:
        sys.exit(f"no such project: {', '.join(unknown)}; projects.toml has {', '.join(known)}")
    return [known[name] for name in names] if names else projects


def cache_folder(argument: str | None) -> Path:
    """The folder given on the command line, in PORTER_ECOSYSTEM, or one among the user's caches."""
    folder = argument or os.environ.get("PORTER_ECOSYSTEM")
    if folder:
        return Path(folder).resolve()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "porter-ecosystem"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What every command of this folder takes."""
    parser.add_argument("--cache", help="where archives and sources are kept (default: $PORTER_ECOSYSTEM, ~/.cache)")
    parser.add_argument("--project", action="append", help="only this project (may be repeated)")
