"""Fetch and unpack the pinned projects: ``python -m tests.ecosystem.download [--cache DIR] [--project NAME]...``

pip does the fetching, and checks every archive against its SHA-256. Nothing of a project runs: pip gets metadata from
`nobuild`, and archives are unpacked here. What is there already is not fetched again.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from tests.ecosystem.projects import Project, add_arguments, cache_folder, load

NO_BUILD = Path(__file__).with_name("nobuild")


def fetch(project: Project, folder: Path) -> Path:
    """Fetch the project's archive into ``folder`` with pip; returns its path.

    Raises:
        subprocess.CalledProcessError: pip failed, or the archive is not the pinned one.
    """
    for archive in folder.iterdir():
        if archive.stat().st_size == project.size and digest(archive) == project.sha256:
            return archive
    form = (
        ["--no-binary", ":all:", "--no-build-isolation", "--use-pep517"]
        if project.form == "sdist"
        else ["--only-binary", ":all:"]
    )
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", *form]
    with tempfile.TemporaryDirectory() as scratch:
        requirement = Path(scratch) / "requirement.txt"
        requirement.write_text(f"{project.name}=={project.version} --hash=sha256:{project.sha256}\n")
        subprocess.run(
            [*pip, "--requirement", str(requirement), "--dest", scratch],
            env={**os.environ, "PYTHONPATH": str(NO_BUILD)},
            check=True,
        )
        (archive,) = (path for path in Path(scratch).iterdir() if path != requirement)
        return Path(shutil.move(archive, folder / archive.name))


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def unpack(archive: Path, folder: Path) -> None:
    """Unpack the regular files of a tar.gz, zip or wheel into ``folder``; the one top folder of a tarball is left out.

    Raises:
        ValueError: a member would land outside ``folder``.
    """
    for name, content in members(archive):
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in path.parts[0]:
            raise ValueError(f"{archive.name}: member {name!r} points outside the archive")
        parts = path.parts[1:] if archive.suffix == ".gz" else path.parts
        target = folder.joinpath(*parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            shutil.copyfileobj(content, file)


def members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and content of every regular file; links and devices are passed over."""
    if archive.suffix == ".gz":
        with tarfile.open(archive) as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isreg() else None
                if content:
                    yield member.name, content
    else:
        with zipfile.ZipFile(archive) as zipped:
            for info in zipped.infolist():
                if not info.is_dir():
                    yield info.filename, zipped.open(info)


def provide(projects: list[Project], cache: Path) -> list[str]:
    """Fetch and unpack what ``cache`` lacks; returns a line for each project that is not to be had."""
    (cache / "archives").mkdir(parents=True, exist_ok=True)
    failures = []
    for project in projects:
        tree = project.tree(cache)
        if tree.is_dir():
            continue
        print(f"fetching {project.name} {project.version} ({project.size / 1e6:.1f} MB)", file=sys.stderr)
        partial = tree.with_name(tree.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            unpack(fetch(project, cache / "archives"), partial)
            partial.rename(tree)
        except (subprocess.CalledProcessError, ValueError) as error:
            failures.append(f"{project.name}: {error}")
    return failures


def main() -> None:
    """Fetch and unpack what is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_arguments(parser)
    arguments = parser.parse_args()
    failures = provide(load(arguments.project), cache_folder(arguments.cache))
    if failures:
        sys.exit("\n".join(failures))


if __name__ == "__main__":
    main()
