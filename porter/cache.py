"""What earlier runs found out, kept in a folder that any run may read, write, lose or delete.

Three kinds of files, each MessagePack behind a checksum, which also covers the versions of porter and Python:

``stamps``
    by path, the digest of a file's contents: believed while size and times are the same, and nothing is read;
``facts-<setup>``
    by digest and name of a file, the first pass over it (`porter.index.analyse`), whatever else has changed;
``report-<key>``
    a whole report, by everything that went into it.

Files are replaced whole, so runs at the same time cost each other entries at worst. What cannot be read is as good
as not there; where nothing can be written, nothing is. The tree that is looked at may have brought the folder along:
one that is a link, or that holds anything but a cache, is neither read nor written.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

import msgspec

import porter
from porter.config import Settings, relative
from porter.index.facts import Facts, Setup, Task, digest, encode
from porter.model import Problem
from porter.reading import head, read_regular

MOST_BYTES = 64_000_000  # of facts that were of no use to this run
MOST_READ = 1_000_000_000  # bytes of one file
MOST_STAMPS = 100_000
MOST_FILES = {"facts-": 4, "report-": 8}  # of each kind, the newest

_TAG_FILE = "CACHEDIR.TAG"
_TAG = b"Signature: 8a477f597d28d172789f06886806bc55\n# A cache of porter: delete it as you like.\n"
_FRESH = 2_000_000_000  # ns; a file this young may change again without a change of its times, where these are coarse
_UNTRUSTED = -1  # the size of a file that has to be read again
_ABANDONED = 3600  # seconds after which a file half written is nobody's
# Settings that change no finding, or that are told apart in another way.
_OTHER = frozenset(
    {
        *("output_format", "jobs", "cache", "cache_dir", "root", "catalogue", "verify", "targets"),
        *("fail_on", "guarded", "severity", "max_findings", "baseline", "baseline_strict"),
    }
)
_CHECKSUM = 16
_SCRATCH = re.compile(r"\.(?:stamps|facts-\w+|report-\w+)\.\d+\.\d+")

T = TypeVar("T")


class Stamp(msgspec.Struct, frozen=True, array_like=True):
    """How a file looked from outside, and the digest of its contents at that time."""

    size: int
    modified: int  # ns
    changed: int  # ns
    digest: bytes = b""


class Cache:
    """What one run takes from the cache and adds to it. Nothing is written before `save`."""

    def __init__(self, settings: Settings) -> None:
        """Raises OSError where a catalogue of the user's cannot be read, or the folder is not for a cache."""
        version = f"{porter.__version__}-{sys.version_info[0]}.{sys.version_info[1]}"
        self._root = Path(settings.cache_dir)
        self._folder = self._root / version
        _check(self._root, self._folder)
        self._identity = _identity(version)
        self._catalogue = [digest(read_regular(file)) for file in settings.catalogue]
        self._settings = settings
        self._known = self._load("stamps", dict[str, Stamp]) or {}
        self._stamps: dict[str, Stamp] = {}  # of this run's files; without a digest while that is to be found out
        self._facts: dict[bytes, msgspec.Raw] = {}
        self._used: dict[bytes, msgspec.Raw] = {}
        self._new: dict[str, object] = {}  # files to write, by name
        self._file = ""  # of the facts

    # -- contents ------------------------------------------------------------------------------

    def digests(self, tasks: Iterable[Task]) -> list[bytes | None]:
        """The digest of each file's contents; None where the first pass will find it out: nothing is read twice."""
        return [self._digest(task) for task in tasks]

    def _digest(self, task: Task) -> bytes | None:
        try:
            info = os.stat(task.path)  # noqa: PTH116  (half the time)
        except OSError:
            return None
        known, now = self._known.get(task.path), Stamp(info.st_size, info.st_mtime_ns, info.st_ctime_ns)
        if known is not None and msgspec.structs.replace(known, digest=b"") == now:
            self._stamps[task.path] = known
            return known.digest
        fresh = max(now.modified, now.changed) >= time.time_ns() - _FRESH
        self._stamps[task.path] = msgspec.structs.replace(now, size=_UNTRUSTED) if fresh else now
        if not self._known:
            return None
        raw = task.read()
        contents = digest(raw.message.encode() if isinstance(raw, Problem) else raw)
        self._stamp(task, contents)
        return contents

    def _stamp(self, task: Task, contents: bytes) -> None:
        if (now := self._stamps.get(task.path)) is not None and task.raw is None:
            self._stamps[task.path] = msgspec.structs.replace(now, digest=contents)

    # -- the first pass ------------------------------------------------------------------------

    def begin(self, setup: Setup) -> None:
        """Read the facts that were found with this setup."""
        parts = [sorted(setup.rules), setup.target, setup.audit, setup.seconds, self._catalogue]
        key = digest(msgspec.msgpack.encode(parts))
        self._file = f"facts-{key.hex()}"
        self._facts = self._load(self._file, dict[bytes, msgspec.Raw]) or {}

    def find(self, task: Task, contents: bytes) -> Facts | None:
        """What is known of a file with these contents."""
        key = _name(task, contents)
        if (raw := self._facts.get(key)) is None:
            return None
        self._used[key] = raw
        return msgspec.msgpack.decode(raw, type=Facts)

    def add(self, task: Task, facts: Facts) -> None:
        """Keep what was found out about a file."""
        self._stamp(task, facts.digest)
        self._used[_name(task, facts.digest)] = msgspec.Raw(encode(facts))
        self._new[self._file] = None  # its contents are put together by `save`

    # -- whole reports -------------------------------------------------------------------------

    def key(self, tasks: Sequence[Task], digests: Iterable[bytes | None], *more: object) -> str:
        """The name of a report on these files; ``more`` is what else it depends on."""
        settings = {k: v for k, v in msgspec.structs.asdict(self._settings).items() if k not in _OTHER}
        place = relative(os.curdir, self._settings.root)
        names = [(task.display, task.kind) for task in tasks]
        return digest(msgspec.msgpack.encode([settings, place, self._catalogue, names, list(digests), more])).hex()

    def report(self, key: str, type: type[T]) -> T | None:
        """The report of that name."""
        return self._load(f"report-{key}", type)

    def keep(self, key: str, report: object) -> None:
        """Keep a report."""
        self._new[f"report-{key}"] = report

    # -- files ---------------------------------------------------------------------------------

    def save(self) -> None:
        """Write what is new; silently not, where that is impossible."""
        stamps = {path: stamp for path, stamp in self._stamps.items() if stamp.digest and _is_text(path)}
        if any(self._known.get(path) != stamp for path, stamp in stamps.items()):
            merged = {path: stamp for path, stamp in self._known.items() if path not in stamps} | stamps
            self._new["stamps"] = dict(list(merged.items())[-MOST_STAMPS:])
        if self._file in self._new:
            self._new[self._file] = self._used | dict(self._unused())
        if not self._new:
            return
        with suppress(OSError):
            self._root.mkdir(parents=True, exist_ok=True)
            for name, text in ((_TAG_FILE, _TAG), (".gitignore", b"*\n")):
                with suppress(FileExistsError):
                    _write(self._root / name, text)
            self._folder.mkdir(exist_ok=True)
            for name, value in self._new.items():
                self._store(name, value)
            self._prune()

    def _unused(self) -> Iterator[tuple[bytes, msgspec.Raw]]:
        """Facts for other runs, on other paths or branches: as many as there is room for."""
        room = MOST_BYTES
        for key, raw in self._facts.items():
            room -= len(memoryview(raw))
            if key not in self._used and room >= 0:
                yield key, raw

    def _load(self, name: str, type: type[T]) -> T | None:
        try:
            raw = read_regular(self._folder / name, MOST_READ)
            checksum, body = raw[:_CHECKSUM], memoryview(raw)[_CHECKSUM:]
            return msgspec.msgpack.decode(body, type=type) if checksum == self._checksum(body) else None
        except (OSError, msgspec.DecodeError):
            return None

    def _store(self, name: str, value: object) -> None:
        body = msgspec.msgpack.encode(value)
        scratch = self._folder / f".{name}.{os.getpid()}.{time.time_ns()}"  # as _SCRATCH has it
        try:
            _write(scratch, self._checksum(body), body)
            scratch.replace(self._folder / name)
        except BaseException:
            scratch.unlink(missing_ok=True)
            raise

    def _checksum(self, body: bytes | memoryview) -> bytes:
        return blake2b(body, digest_size=_CHECKSUM, key=self._identity).digest()

    def _prune(self) -> None:
        """Delete what other settings and runs that were killed have left, but the newest."""
        entries = [(entry.stat().st_mtime, entry.name) for entry in os.scandir(self._folder)]
        entries.sort(reverse=True)
        old = [name for age, name in entries if _SCRATCH.fullmatch(name) and age < time.time() - _ABANDONED]
        for prefix, most in MOST_FILES.items():
            old += [name for _, name in entries if name.startswith(prefix)][most:]
        for name in old:
            (self._folder / name).unlink(missing_ok=True)


def _check(root: Path, folder: Path) -> None:
    """Raise OSError for a folder that is not for a cache."""
    if root.is_symlink() or folder.is_symlink():
        raise OSError(None, "a link")
    if not root.exists() or not any(root.iterdir()):
        return
    tag = root / _TAG_FILE
    if tag.is_symlink() or not tag.is_file() or not _TAG.startswith(head(tag, len(_TAG))):  # half, if a run was killed
        raise OSError(None, "no cache of porter")


def _write(path: Path, *contents: bytes) -> None:
    """Make a new file; nothing that is there is written to, be it a link to nothing."""
    with path.open("xb") as file:
        file.writelines(contents)


def _is_text(path: str) -> bool:
    """Whether a path is UTF-8, as the cache has to be; a file of another name is read every time."""
    return path.isascii() or path.encode(errors="ignore").decode() == path


def _name(task: Task, contents: bytes) -> bytes:
    return digest(msgspec.msgpack.encode([contents, task.display, task.kind, task.names, task.asked]))


def _identity(version: str) -> bytes:
    """This very porter: also one whose files were changed in place."""
    state = blake2b(version.encode(), digest_size=32)
    folders = [Path(porter.__file__).parent]
    with suppress(OSError):  # as in a ZIP file
        while folders:
            for entry in sorted(os.scandir(folders.pop()), key=lambda entry: entry.name):
                if entry.name != "__pycache__" and entry.is_dir():
                    folders.append(Path(entry.path))
                elif entry.name.endswith((".py", ".toml", ".txt", ".json")):
                    info = entry.stat()
                    state.update(f"{entry.name} {info.st_size} {info.st_mtime_ns}\n".encode())
    return state.digest()
