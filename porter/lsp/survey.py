"""The first pass over a whole folder, in a process of its own.

Typing goes on meanwhile, and whatever happens there ends nothing here. What it finds comes back as MessagePack; nothing
of it is judged yet.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import msgspec

from porter.cache import Cache
from porter.config import Settings
from porter.engine import Run
from porter.index.analyse import lens
from porter.index.facts import Facts, Task, encode
from porter.index.merge import merge
from porter.sources.discover import discover

# The interpreter puts the folder it is started in on the path: here the user's, whose modules are none of porter's.
START = "import sys; sys.path[:] = sys.argv[1:]; from porter.lsp.survey import main; main()"


class Request(msgspec.Struct):
    """What to look at; the settings for every target."""

    folder: str
    settings: list[Settings]


class Found(msgspec.Struct):
    """What the files say for one target; ``again`` those that were looked at twice, see `porter.index.merge`."""

    tasks: list[Task]
    facts: list[Facts]
    again: list[tuple[Task, Facts]]


class _Encoded(msgspec.Struct):
    """`Found`, each file's facts by itself: they may hold what MessagePack cannot take as it is."""

    tasks: list[Task]
    facts: list[bytes]
    again: list[tuple[Task, bytes]]


def command() -> tuple[str, ...]:
    """What to start. It takes a request by standard input and answers by standard output; see `asked` and `answer`."""
    return sys.executable, "-c", START, *(path for path in sys.path if path)


def asked(request: Request) -> bytes:
    """A request, to be sent."""
    return msgspec.msgpack.encode(request)


def answer(raw: bytes) -> list[Found]:
    """What came back, one for each of the settings. Raises `msgspec.DecodeError`."""

    def facts(raw: bytes) -> Facts:
        return msgspec.msgpack.decode(raw, type=Facts)

    return [
        Found(one.tasks, [facts(raw) for raw in one.facts], [(task, facts(raw)) for task, raw in one.again])
        for one in msgspec.msgpack.decode(raw, type=list[_Encoded])
    ]


def main() -> None:
    """Answer the request on standard input."""
    request = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Request)
    found = [_survey(request.folder, settings) for settings in request.settings]
    sys.stdout.buffer.write(msgspec.msgpack.encode(found))


def _survey(folder: str, settings: Settings) -> _Encoded:
    tasks = [Task(*candidate) for candidate in discover([folder], settings).candidates]
    cache = Cache(settings) if settings.cache else None
    run = Run(settings, cache)
    facts = run.first_pass(tasks, cache.digests(tasks) if cache else [None] * len(tasks))
    again: list[tuple[Task, bytes]] = []

    def look(named: Sequence[Task], digests: Sequence[bytes]) -> list[Facts]:
        found = run.first_pass(named, digests)
        again.extend(zip(named, map(encode, found), strict=True))
        return found

    merge(tasks, facts, lens(run.setup), look)
    if cache:
        cache.save()
    return _Encoded(tasks, [encode(known) for known in facts], again)
