"""Where the patches of `porter rewrite` go, and what is written beside them."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from porter.cli.options import Failure
from porter.cli.outputs import save
from porter.report.words import breakdown, plural, tally
from porter.rewrite.patch import unified

if TYPE_CHECKING:
    from porter.config import Settings
    from porter.engine import FileChange
    from porter.rewrite.pieces import Divided
    from porter.rewrite.series import Patch


def is_new(file: FileChange) -> bool:
    """Whether there is no such file yet."""
    return not file.before and not os.path.lexists(file.path)


def divide(files: Sequence[FileChange]) -> list[Divided]:
    """The files in their pieces."""
    from porter.rewrite.pieces import divided

    return [divided(file.path, file.before, file.changes, file.units, is_new(file)) for file in files]


def base_of(files: Sequence[FileChange], paths: Sequence[str]) -> Path:
    """The directory to apply a patch in: this one, or where the files are if some are outside it.

    `git apply` takes no path that leads upwards.
    """
    if not any(file.path.startswith(("../", "/")) for file in files):
        return Path.cwd()
    common = Path(os.path.commonpath([Path(path).resolve() for path in paths]))
    return common if common.is_dir() else common.parent


def single(files: Sequence[FileChange], base: Path) -> Iterator[bytes]:
    """The patch, file by file."""
    for file in files:
        yield unified(_inside(file.path, base), file.before, file.changes, created=is_new(file))


def save_single(files: Sequence[FileChange], base: Path, path: str) -> str:
    """Save the patch; the command that applies it. Raises `Failure`."""
    if Path(path).is_dir():
        raise click.BadParameter(f"{path} is a folder: name a file, or use --split-by", param_hint="--patch")
    _write(Path(path), b"".join(single(files, base)))
    return _applying(base, path)


def save_series(patches: Sequence[tuple[str, Patch]], base: Path, folder: str) -> str:
    """Save patches by their names in a folder, which has none yet; the command that applies them. Raises `Failure`."""
    place = Path(folder)
    if place.exists() and not place.is_dir():
        raise click.BadParameter(f"{folder} is a file: --split-by takes a folder", param_hint="--patch")
    if any(place.glob("*.patch")):
        raise click.BadParameter(
            f"{folder} has patches already: remove them, or name another folder", param_hint="--patch"
        )
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Failure(f"{folder} cannot be made: {(error.strerror or str(error)).lower()}") from error
    for number, (name, patch) in enumerate(patches, 1):
        findings = [finding for part in patch.parts for piece in part.pieces for finding in piece.findings]
        what = f"{breakdown(tally(findings))} in " if findings else ""
        subject = f"{patch.label}: {what}{plural(len(patch.parts), 'file')}"
        head = f"{subject}\n\nPatch {number} of {len(patches)} by porter rewrite; each needs those before it.\n\n"
        parts = (
            unified(_inside(part.file.path, base), part.before, part.changes, created=part.created)
            for part in patch.parts
        )
        _write(place / name, b"".join([head.encode(errors="backslashreplace"), *parts]))
    return _applying(base, f"{folder}/*.patch", folder)


def save_rationale(patches: Sequence[tuple[str, Patch]], settings: Settings, path: str) -> None:
    """Write down what each hunk is there for. Raises `Failure`."""
    from porter import catalog
    from porter.report.rationale import render
    from porter.targets import TARGETS

    catalogue = catalog.load([Path(name) for name in settings.catalogue])
    save(Path(path), render(patches, settings.target, TARGETS[settings.target].versions, catalogue))


def _applying(base: Path, what: str, folder: str = "") -> str:
    if base == Path.cwd():
        place = shlex.quote(folder or what)
    else:
        place = shlex.quote(str(Path(folder or what).resolve()))
    command = f"git apply {place}{'/*.patch' if folder else ''}"
    return command if base == Path.cwd() else f"cd {shlex.quote(str(base))} && {command}"


def _inside(path: str, base: Path) -> str:
    """A file's path from where the patch is applied."""
    return path if base == Path.cwd() else Path(os.path.relpath(Path(path).resolve(), base)).as_posix()


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise Failure(f"{path} cannot be written: {(error.strerror or str(error)).lower()}") from error
