"""Questions to git, asked so that the repository they are about can run nothing.

A repository that is only looked at may have been unpacked from anywhere, its ``.git/config`` included. That file may
name programs: monitors, hooks, pagers, differs, filters, and ways to fetch what is missing. None of them is run here.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from tempfile import TemporaryFile
from threading import Event, Timer
from typing import IO

_OPTIONS = (
    *("--no-pager", "--literal-pathspecs"),
    *("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}", "-c", "core.quotePath=false"),
)
PATIENCE = 300  # seconds: whatever is called `.gitattributes` is read, and a FIFO never ends
_KEPT = re.compile("GIT_(?:CONFIG|CEILING|DISCOVERY|EXEC)_")  # of git's variables: how to ask, not what
_SET = {
    "LC_ALL": "C",
    "GIT_OPTIONAL_LOCKS": "0",  # the index stays as it is
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",  # for versions that do not know the one above
}
_OWN = ("system", "global", "command")  # settings of the user's, not of the repository


class GitError(Exception):
    """Git could not answer. The message is its own, or says what to do."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Git:
    """One work tree. Every method raises `GitError`."""

    def __init__(self, folder: str) -> None:
        """``folder`` is the top of the work tree."""
        self.folder = folder

    def ask(self, *arguments: str) -> bytes:
        """What git writes to standard output."""
        with self._running(arguments, {}) as process:
            assert process.stdout is not None
            return process.stdout.read()

    def try_ask(self, *arguments: str) -> str | None:
        """The same as text without the last newline; None where git fails."""
        try:
            return os.fsdecode(self.ask(*arguments)).rstrip("\n")
        except GitError:
            return None

    @contextmanager
    def reading(self, *arguments: str) -> Iterator[IO[bytes]]:
        """Standard output of a command that looks at files of the work tree, to be read to its end."""
        with self._running(arguments, self._without_filters()) as process:
            assert process.stdout is not None
            yield process.stdout

    def commit(self, revision: str) -> str | None:
        """The full name of the commit that ``revision`` means here."""
        if not revision or revision.startswith("-"):
            return None
        return self.try_ask("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")

    @cached_property
    def shallow(self) -> bool:
        """Whether the clone lacks older commits."""
        return self.try_ask("rev-parse", "--is-shallow-repository") == "true"

    @contextmanager
    def _running(self, arguments: tuple[str, ...], more: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or _KEPT.match(name)}
        command = ["git", *_OPTIONS, "-C", self.folder, *arguments]
        with TemporaryFile() as said:  # no pipe: nobody would read it while standard output is read
            try:
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, env={**kept, **_SET, **more}
                )
            except OSError as error:
                raise GitError(f"git cannot be run: {(error.strerror or str(error)).lower()}") from error
            with _patience(process) as stopped, process:
                try:
                    yield process
                except BaseException:
                    process.kill()
                    raise
            if stopped.is_set():
                raise GitError(f"git was stopped after {PATIENCE:g} s: it may wait for a file that is none")
            if process.returncode:
                said.seek(0)
                lines = os.fsdecode(said.read()).strip().splitlines() or [f"git failed with {process.returncode}"]
                raise GitError(lines[-1].removeprefix("fatal: ").removeprefix("error: "), process.returncode)

    def _without_filters(self) -> dict[str, str]:
        """Variables that empty the filters of the repository: `-c` would not take every name."""
        count = first = int(os.environ.get("GIT_CONFIG_COUNT") or 0)
        settings = {}
        for count, name in enumerate(self._filters, first + 1):
            settings[f"GIT_CONFIG_KEY_{count - 1}"] = name
            settings[f"GIT_CONFIG_VALUE_{count - 1}"] = "false" if name.endswith(".required") else ""
        return {**settings, "GIT_CONFIG_COUNT": str(count)} if settings else {}

    @cached_property
    def _filters(self) -> list[str]:
        try:
            found = self.ask("config", "-z", "--show-scope", "--name-only", "--get-regexp", r"^filter\.")
        except GitError as error:
            if error.status == 1:  # none
                return []
            raise
        words = os.fsdecode(found).split("\0")
        return [name for scope, name in zip(words[::2], words[1::2], strict=False) if scope not in _OWN]


@contextmanager
def _patience(process: subprocess.Popen[bytes]) -> Iterator[Event]:
    """Kill a process that does not come to its end; the event tells whether that was so."""
    stopped = Event()

    def stop() -> None:
        stopped.set()
        process.kill()

    timer = Timer(PATIENCE, stop)
    timer.daemon = True
    timer.start()
    try:
        yield stopped
    finally:
        timer.cancel()


def work_tree(path: str, known: dict[str, str | None]) -> str | None:
    """The top of the work tree that holds the folder ``path`` (absolute); ``known`` remembers the answers."""
    if path not in known:
        parent = os.path.dirname(path)  # noqa: PTH120
        if os.path.lexists(f"{path}/.git"):
            known[path] = path
        else:
            known[path] = work_tree(parent, known) if parent != path else None
    return known[path]
