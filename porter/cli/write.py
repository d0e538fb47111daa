"""Files changed in place: whole or not at all, and only while they are what porter read."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path

WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


class WriteError(Exception):
    """A file was left as it is. The message says why and what to do."""


def replace(path: Path, before: bytes, after: bytes, *, within: Path) -> None:
    """Put ``after`` in the place of ``before``; mode and links stay. Raises `WriteError`.

    A link that leads out of the folder ``within`` is not followed: what it names belongs to somebody else.
    """
    linked, path = path.is_symlink(), Path(os.path.realpath(path))
    if linked and not path.is_relative_to(within.resolve()):
        raise WriteError("is a link to a file outside this folder: left alone, name that file itself")
    try:
        if path.read_bytes() != before:
            raise WriteError("has changed since porter read it: left alone, run porter again")
        if not path.stat().st_mode & WRITABLE or not os.access(path, os.W_OK):
            raise WriteError("is read-only: left alone, make it writable or exclude it")
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        scratch = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(after)
            shutil.copymode(path, scratch)
            scratch.replace(path)
        except BaseException:
            scratch.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise WriteError(f"cannot be written: {(error.strerror or str(error)).lower()}; left alone") from error
