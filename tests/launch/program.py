"""Running programs as a user does: `porter run` and `python`, each in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

PORTER = (sys.executable, "-m", "porter", "run")
PYTHON = (sys.executable,)
_ADDED = ("PORTER_", "TORCH_DEVICE_BACKEND_AUTOLOAD", "COLUMNS", "NO_COLOR", "FORCE_COLOR", "RANK", "WORLD_SIZE")


def write(name: str, text: str) -> Path:
    """A file of the program, in the working directory."""
    path = Path(name).absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
    return path


def run(*command: str | Path, path: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; ``path`` goes before what Python imports from."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_ADDED)}
    environment |= {"OMP_NUM_THREADS": "1", **variables}
    if path:
        environment["PYTHONPATH"] = path
    return subprocess.run(
        [*map(str, command)], capture_output=True, text=True, check=False, env=environment, timeout=300
    )


def porter(*arguments: str | Path, path: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """``porter run`` with these arguments."""
    return run(*PORTER, *arguments, path=path, **variables)


def python(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Plain Python with these arguments."""
    return run(*PYTHON, *arguments, **variables)


def parts(stderr: str) -> tuple[str, str]:
    """Standard error, divided into what the program wrote and what porter adds at the end."""
    program = "\n" + re.sub(r"^porter: running on .*\n", "", stderr)
    before, mark, after = program.partition("\n\nporter: ")
    return (before + "\n" * bool(mark))[1:], after
