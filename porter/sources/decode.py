"""Bytes on disk to `Source`: regular files only, byte order marks, PEP 263 cookies, clear words for the rest."""

from __future__ import annotations

import codecs
import os
import re

import msgspec

from porter.model import Edit, Problem
from porter.reading import MAX_BYTES, NotRegularError, TooLargeError, read_regular
from porter.sources.kinds import kind_of_yaml
from porter.sources.source import Cell, Source

_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_COOKIE = re.compile(rb"[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_BLANK = re.compile(rb"[ \t\f]*(?:#.*)?")
_STRICT = frozenset({"python", "notebook"})  # their own readers refuse what is not in the declared encoding


class Encoded(msgspec.Struct, frozen=True):
    """The layout of a file that is not plain UTF-8: ``mark`` bytes, then ``encoding``."""

    encoding: str
    mark: int

    def cell_at(self, offset: int) -> Cell | None:
        """No cells here."""
        return None

    def encode(self, text: str) -> bytes:
        """``text`` in the file's encoding. Raises UnicodeEncodeError where it cannot be said there."""
        return text.encode(self.encoding)

    def to_disk(self, source: Source, start: int, end: int, text: str) -> Edit | None:
        """The edit in the file's bytes; None unless decoding the edited file gives the edited text."""
        if self.encoding == "utf-8":
            return Edit(start + self.mark, end + self.mark, text)
        before, replaced, after = (part.decode() for part in _cut(source.text, start, end))
        try:
            at = self.mark + len(self.encode(before))
            to = at + len(self.encode(replaced))
            edited = source.raw[self.mark : at] + self.encode(text) + source.raw[to:]
            faithful = edited.decode(self.encoding) == before + text + after
        except UnicodeError:
            return None
        return Edit(at, to, text) if faithful else None


def read(path: str | os.PathLike[str], display: str, kind: str) -> Source | Problem:
    """Read and decode one file. ``display`` is the path that the user sees, ``kind`` as in `Source`."""
    raw = read_bytes(path, display)
    return raw if isinstance(raw, Problem) else decode(raw, display, kind)


def read_bytes(path: str | os.PathLike[str], display: str, limit: int = MAX_BYTES) -> bytes | Problem:
    """The bytes of a regular file of at most ``limit`` bytes. Never blocks on a FIFO or a device."""
    try:
        return read_regular(path, limit)
    except FileNotFoundError:
        return Problem(display, "is not there: it was deleted, or it is a link to nothing; check the path")
    except NotRegularError:
        return Problem(display, "is not a regular file; name a file or a directory")
    except TooLargeError as error:
        size = f"{error.size / 1e6:.0f} MB"
        return Problem(display, f"is too large ({size}, the limit is {limit / 1e6:.0f} MB); exclude it or split it")
    except OSError as error:
        return Problem(display, f"cannot be read: {_reason(error)}; make it readable or exclude it")


def decode(raw: bytes, display: str, kind: str) -> Source | Problem:
    """Make a `Source` of a file's bytes, or say why that is not possible and what to do."""
    if kind == "notebook":
        from porter.sources.notebook import decode_notebook

        return decode_notebook(raw, display)
    kind = kind_of_yaml(raw) if kind == "yaml" else kind
    encoding, mark = _encoding(raw, kind)
    if b"\0" in raw and not encoding.startswith("utf-16"):
        line = raw.count(b"\n", 0, raw.index(b"\0")) + 1
        return Problem(display, "holds NUL bytes and is no text; exclude it, or restore it if it is damaged", line)
    if encoding == "utf-8" and not mark and raw.isascii():
        return Source(display, raw, raw, kind)
    try:
        decoded = raw[mark:].decode(encoding)
    except (LookupError, ValueError) as error:
        if kind in _STRICT:
            return _undecodable(raw, display, encoding, error)
        encoding, mark = "latin-1", 0  # one code point a byte: whatever it says, nothing of it is lost
        decoded = raw.decode(encoding)
    if encoding == "utf-8" and not mark:
        return Source(display, raw, raw, kind)
    try:
        text = decoded.encode()
    except UnicodeEncodeError as error:  # a codec that yields lone surrogates
        return _undecodable(raw, display, encoding, error)
    return Source(display, raw, text, kind, Encoded(encoding, mark))


def _encoding(raw: bytes, kind: str) -> tuple[str, int]:
    """Name of the encoding and length of the byte order mark."""
    for mark, name in _MARKS.items():
        if raw.startswith(mark) and (name == "utf-8" or kind != "python"):
            return name, len(mark)
    cookie = _cookie(raw) if kind == "python" else None
    return cookie or "utf-8", 0


def _cookie(raw: bytes) -> str | None:
    """The encoding that a comment in the first two lines declares (PEP 263), as Python names it."""
    for line in raw[:1000].splitlines()[:2]:
        if match := _COOKIE.match(line):
            name = re.sub(r"-(unix|dos|mac)$", "", match[1].decode("ascii", "replace").lower())
            try:
                return codecs.lookup(name).name.removesuffix("-sig")
            except LookupError:
                return name
        if not _BLANK.fullmatch(line):
            break
    return None


def _undecodable(raw: bytes, display: str, encoding: str, error: Exception) -> Problem:
    if isinstance(error, LookupError):
        return Problem(
            display, f"declares the encoding `{encoding}`, which Python does not know; correct its comment", 1
        )
    line = raw.count(b"\n", 0, error.start) + 1 if isinstance(error, UnicodeDecodeError) else None
    remedy = "save it as UTF-8, or declare its encoding in the first line: # -*- coding: latin-1 -*-"
    return Problem(display, f"is not {encoding.upper()} as it should be; {remedy}", line)


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


def _cut(text: bytes, start: int, end: int) -> tuple[bytes, bytes, bytes]:
    return text[:start], text[start:end], text[end:]
