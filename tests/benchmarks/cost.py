"""What one run of a command takes: CPU seconds, wall clock and memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, NamedTuple

PORTER = [sys.executable, "-m", "porter", "check", "--isolated", "--quiet"]

# Trees are measured from within: porter is found there as it is here, and compiled as it is where it is installed.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONDONTWRITEBYTECODE": ""}


class Cost(NamedTuple):
    """What one run took. The least of some is the one with the fewest CPU seconds."""

    seconds: float  # CPU, user and system, children included
    wall: float  # seconds
    mebibytes: float  # peak resident, of the largest process; no less than what measures it


def cost(command: list[str], folder: Path, output: IO[bytes] | int = subprocess.DEVNULL) -> Cost:
    """Run a command in ``folder``. Raises RuntimeError where it fails to do its work."""
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stdout=output, stderr=subprocess.PIPE)
    with process:
        errors = process.stderr.read() if process.stderr else b""
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1) or b"Traceback" in errors or b"No module" in errors:
        raise RuntimeError(f"{' '.join(command)}: exit {process.returncode}\n{errors.decode(errors='replace')}")
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024)


def best(command: list[str], folder: Path, runs: int = 3) -> Cost:
    """The cheapest of some runs: the one that the machine disturbed least."""
    return min(cost(command, folder) for _ in range(runs))
