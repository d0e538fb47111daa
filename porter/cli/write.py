"""Files changed in place, or made: whole or not at all, and only while they are what porter read."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from porter.cli.patches import is_new
from porter.reading import NotRegularError, TooLargeError, read_regular
from porter.report.words import plural

if TYPE_CHECKING:
    from porter.cli.output import Talk
    from porter.engine import FileChange

WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
SCRATCH = ".porter-"  # begins the name of a file that is to take the place of another; a killed run may leave one


class WriteError(Exception):
    """A file was left as it is. The message says why and what to do."""


def replace_all(files: Sequence[FileChange], talk: Talk, *, within: Path) -> bool:
    """Change files on disk, new ones first. Whether all of them could be; the others are named.

    If it is interrupted, it says which files are written.
    """
    good = True
    try:
        for change in sorted(files, key=is_new, reverse=True):
            try:
                if is_new(change):
                    create(Path(change.path), change.after)
                else:
                    replace(Path(change.path), change.before, change.after, within=within)
            except WriteError as error:
                talk.error(f"{change.path}: {error}")
                good = False
    except KeyboardInterrupt:
        for line in _standing(files):
            talk.error(line)
        raise
    return good


def _standing(files: Sequence[FileChange]) -> Iterator[str]:
    """Which files are written and which are not, as the disk has them."""
    written = {change.path for change in files if _contents(change.path) == change.after}
    left = len(files) - len(written)
    yield f"interrupted: {plural(len(written), 'file')} rewritten, {left:,} left as before; run porter again for those"
    for change in files:
        yield f"{change.path}: {'rewritten' if change.path in written else 'left as before'}"


def _contents(path: str) -> bytes | None:
    try:
        return read_regular(path)
    except OSError:
        return None


def replace(path: Path, before: bytes, after: bytes, *, within: Path) -> None:
    """Put ``after`` in the place of ``before``. Raises `WriteError`.

    Links to the file stay links, and its mode stays, as do owner and extended attributes where that is allowed. Other
    names of the same file (hard links) keep the old contents. A link that leads out of the folder ``within`` is not
    followed: what it names belongs to somebody else.
    """
    linked, path = path.is_symlink(), Path(os.path.realpath(path))
    if linked and not path.is_relative_to(within.resolve()):
        raise WriteError("is a link to a file outside this folder: left alone, name that file itself")
    changed = WriteError("has changed since porter read it: left alone, run porter again")
    try:
        info = path.stat()
        if read_regular(path, len(before)) != before:
            raise changed
        if not info.st_mode & WRITABLE or not os.access(path, os.W_OK):
            raise WriteError("is read-only: left alone, make it writable or exclude it")
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=SCRATCH)
        scratch = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(after)
            _dress(scratch, path, info)
            if _state(path.stat()) != _state(info):
                raise changed
            scratch.replace(path)
        except BaseException:
            scratch.unlink(missing_ok=True)
            raise
    except (NotRegularError, TooLargeError) as error:
        raise changed from error
    except OSError as error:
        raise WriteError(f"cannot be written: {(error.strerror or str(error)).lower()}; left alone") from error


def _state(info: os.stat_result) -> tuple[int, ...]:
    """What tells a file from another in its place, and from itself before it was written to."""
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns


def _dress(scratch: Path, path: Path, info: os.stat_result) -> None:
    """Give the new file what the old one has beside its contents: the mode always, the rest where that is allowed."""
    if hasattr(os, "chown"):
        with suppress(OSError):
            os.chown(scratch, info.st_uid, info.st_gid)
    if hasattr(os, "listxattr"):
        with suppress(OSError):
            for name in os.listxattr(path):
                with suppress(OSError):
                    os.setxattr(scratch, name, os.getxattr(path, name))
    scratch.chmod(stat.S_IMODE(info.st_mode))


def create(path: Path, content: bytes) -> None:
    """Put ``content`` into a file that is not there, with the folders above it. Raises `WriteError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            try:
                file.write(content)
            except BaseException:
                path.unlink()
                raise
    except OSError as error:
        if path.exists():
            raise WriteError("is there by now: left alone, run porter again") from error
        raise WriteError(f"cannot be made: {(error.strerror or str(error)).lower()}") from error
