"""Child processes: the user's code never runs in porter's own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

WORKER = Path(__file__).with_name("worker.py")
STARTUP = Path(__file__).with_name("startup")  # a folder with a `sitecustomize.py`, for commands
TAIL = 4000  # characters of what a process said last, kept for a report
LAUNCHER = re.compile(r"^[EW]\d{4} .*torch/distributed/elastic.*", re.MULTILINE)  # torchrun on a process that failed
DESCRIBE_TIMEOUT = 120.0  # seconds to import a file of cases


class Failed(RuntimeError):
    """A child process did not do its work. The message says why and holds the user's traceback."""


class Ended(NamedTuple):
    """How a process came to its end."""

    status: int | None  # None: the time was up
    seconds: float
    stdout: Path
    stderr: Path

    def tail(self) -> str:
        """What it said last on standard error, or on standard output: of torchrun, what its processes said."""
        for file in (self.stderr, self.stdout):
            text = file.read_text(encoding="utf-8", errors="replace").strip()
            processes = LAUNCHER.split(text)[0].strip()
            if text:
                return (processes or text)[-TAIL:]
        return ""

    def why(self, timeout: float) -> str:
        """A phrase for an end that is none of success."""
        if self.status is None:
            return f"not done after {timeout:g} s"
        if self.status < 0:
            return f"killed by {signal.Signals(-self.status).name}"
        return f"exit status {self.status}"


def run(
    command: Sequence[str | Path], *, folder: Path, logs: Path, environment: Mapping[str, str], timeout: float
) -> Ended:
    """Run ``command`` in ``folder``; what it prints goes to files in ``logs``. Its children end with it.

    Raises:
        Failed: the command cannot be started.
    """
    stdout, stderr = logs / "stdout.txt", logs / "stderr.txt"
    begin = time.monotonic()
    with stdout.open("wb") as out, stderr.open("wb") as err:
        try:
            process = subprocess.Popen(
                [str(part) for part in command],
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        except OSError as error:
            raise Failed(f"cannot run `{command[0]}`: {(error.strerror or str(error)).lower()}") from error
        try:
            status: int | None = process.wait(timeout)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            with contextlib.suppress(ProcessLookupError):  # also what a finished launcher has left behind
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return Ended(status, time.monotonic() - begin, stdout, stderr)


def environment(**variables: str) -> dict[str, str]:
    """The environment for a child: ours, without what an outer porter has set, and ``variables``."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PORTER_")}
    return {**inherited, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0", "PYTHONUNBUFFERED": "1", **variables}


def work(
    job: Mapping[str, Any], *, folder: Path, out: Path, environment: Mapping[str, str], timeout: float, python: str = ""
) -> dict[str, Any]:
    """Let a worker do ``job``, with its results in ``out``.

    Returns:
        What it wrote: at least ``status``, which is ``ok``, ``unavailable`` (with ``reason``) or ``error`` (with
        ``reason`` and ``traceback``); and ``seconds`` and ``log`` (what it said last).

    Raises:
        Failed: the worker cannot be started.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / "job.json").write_text(json.dumps({**job, "out": str(out)}), encoding="utf-8")
    ended = run(
        [python or sys.executable, WORKER, out / "job.json"],
        folder=folder,
        logs=out,
        environment=environment,
        timeout=timeout,
    )
    answer: dict[str, Any] = {}
    if ended.status is not None:
        with contextlib.suppress(OSError, ValueError):
            answer = json.loads((out / "answer.json").read_text(encoding="utf-8"))
    if not answer:
        answer = {"status": "error", "reason": ended.why(timeout), "traceback": ended.tail()}
    return {**answer, "seconds": ended.seconds, "log": ended.tail()}


def describe(file: Path) -> dict[str, Any]:
    """``cases`` (by name, a factory as the name of the file), ``original`` and ``port`` of a file of cases.

    Raises:
        Failed: the file cannot be imported, or holds something else.
    """
    with scratch() as out:
        job = {"kind": "describe", "file": str(file), "root": str(file.parent)}
        answer = work(job, folder=file.parent, out=out, environment=environment(), timeout=DESCRIBE_TIMEOUT)
    if answer["status"] != "ok":
        raise Failed("\n".join(filter(None, (answer["reason"], answer.get("traceback")))))
    return answer


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="porter-verify-") as folder:
        yield Path(folder)
