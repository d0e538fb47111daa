"""Files read so that none can hold porter up: regular ones only, and of a size that can be dealt with.

A repository from anywhere may hold a FIFO, or a link to a device, under any name: also that of its settings.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

MAX_BYTES = 10_000_000
_LEAST = 4096  # bytes to ask for


class NotRegularError(OSError):
    """A directory, a FIFO, a device or a socket."""

    def __init__(self) -> None:
        super().__init__(None, "not a regular file")


class TooLargeError(OSError):
    """A file above the limit: ``size`` bytes."""

    def __init__(self, size: int) -> None:
        super().__init__(None, f"too large ({size / 1e6:.0f} MB)")
        self.size = size


def read_regular(path: str | os.PathLike[str], limit: int = MAX_BYTES) -> bytes:
    """The bytes of a regular file, links followed. Never blocks on a FIFO or a device. Raises OSError."""
    with _opened(path) as (handle, size):
        if size > limit:
            raise TooLargeError(size)
        read = bytearray()
        while chunk := os.read(handle, max(size, _LEAST) + 1):
            if not read and len(chunk) == size:  # all of it: more was asked for
                return chunk
            read += chunk
            if len(read) > limit:  # it grows, or has no size, as those in /proc
                raise TooLargeError(len(read))
        return bytes(read)


def head(path: str | os.PathLike[str], size: int = 128) -> bytes:
    """The first bytes of a regular file; none of what cannot be read."""
    try:
        with _opened(path) as (handle, _):
            return os.read(handle, size)
    except OSError:
        return b""


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[tuple[int, int]]:
    """Handle and size of a regular file."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        info = os.fstat(handle)
        if not stat.S_ISREG(info.st_mode):
            raise NotRegularError
        yield handle, info.st_size
    finally:
        os.close(handle)
