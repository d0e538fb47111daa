"""What is handed to the first pass over a file, and what comes out: plain data that can be sent and kept."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Literal, NamedTuple

import msgspec

from porter.index.site import Site
from porter.index.summary import Edge, Mark, Summary
from porter.model import Problem
from porter.sources import decode

PYTHON = frozenset({"python", "notebook"})
_UNENCODABLE = (OverflowError, UnicodeEncodeError)  # an integer beyond 64 bits, half of a surrogate pair
_HUGE = 2**1000

Depth = Literal["bindings", "whole"]  # how much of a file is to be looked into


class Task(NamedTuple):
    """One file to look at."""

    path: str  # opens it
    display: str  # relative to the working directory, with /
    kind: str
    raw: bytes | None = None  # what to take for its contents, if not what is on disk
    names: tuple[tuple[str, str], ...] = ()  # names of the repository, and what of CUDA they stand for; sorted
    asked: Depth | None = None  # by another file: to be looked into whatever it holds, in that file's time

    def read(self) -> bytes | Problem:
        """The contents."""
        return self.raw if self.raw is not None else decode.read_bytes(self.path, self.display)


class Facts(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """What one file says of itself. Sites, and the flow of values, are encoded: they take up most, and wait for long.

    ``summary`` is None where the file is not Python, or was filtered out; ``placing`` then tells whether it may put
    a value on a device all the same. ``directed`` tells whether it may have comments that silence findings, ``aside``
    that it mentions CUDA and is looked into for that alone: other files judge as if it were filtered out.
    """

    digest: bytes  # of the contents
    lines: int = 0
    placing: bool = False
    summary: Summary | None = None
    problems: tuple[Problem, ...] = ()
    sites: msgspec.Raw = msgspec.Raw(b"\x90")  # none
    directed: bool = False
    aside: bool = False


class Setup(NamedTuple):
    """What decides, beside the file itself, what the first pass finds. Hashable, and cheap to send."""

    catalogue: tuple[str, ...]  # the user's TOML files
    rules: frozenset[str]  # names of those to run
    target: str
    audit: bool = False  # look into every file that mentions CUDA, be it in a comment
    seconds: float = 0  # that a file may take; 0: any


_sites = msgspec.msgpack.Decoder(tuple[Site, ...])
_flow = msgspec.msgpack.Decoder(tuple[list[Edge], list[Mark]])


def sites_of(facts: Facts) -> tuple[Site, ...]:
    """The sites of a file, in the order in which they were found."""
    return _sites.decode(facts.sites)


def flow_of(summary: Summary) -> tuple[list[Edge], list[Mark]]:
    """Where values flow in a file, and what is known of the places."""
    return _flow.decode(summary.flow)


def encode(value: object) -> bytes:
    """MessagePack of facts, or of a part of them: as they are, or so that they can be said."""
    try:
        return msgspec.msgpack.encode(value)
    except _UNENCODABLE:
        return msgspec.msgpack.encode(_encodable(msgspec.to_builtins(value, builtin_types=(bytes, msgspec.Raw))))


def digest(raw: bytes) -> bytes:
    """A short name for a file's contents."""
    return blake2b(raw, digest_size=16).digest()


def _encodable(value: Any) -> Any:
    """The same with a float for such an integer, and a question mark for such a character."""
    if isinstance(value, list | tuple):
        return [_encodable(item) for item in value]
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return float(max(-_HUGE, min(value, _HUGE)))
    return value
