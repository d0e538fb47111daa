"""The program's process: Python itself, in the place of porter's."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import NoReturn

from porter.launch.plan import Plan

AUTOLOAD = "TORCH_DEVICE_BACKEND_AUTOLOAD"  # "0" keeps torch from calling `porter.launch.autoload`


def start(plan: Plan, program: Sequence[str]) -> NoReturn:
    """Run ``program`` (what stands after ``python`` on a command line) under ``plan``.

    The program takes over this process: exit status, signals, standard streams and traceback are its own, to the
    letter. On Windows, where a process cannot be replaced, it is a child, and porter ends as it does.
    """
    os.environ[AUTOLOAD] = "1"
    os.environ.pop("PORTER_SIMULATE", None)  # the plan says it all
    plan.publish()
    command = [sys.executable, *interpreter_options(), *program]
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "nt":
        raise SystemExit(subprocess.run(command, check=False).returncode)
    os.execv(sys.executable, command)


def interpreter_options() -> list[str]:
    """The options that this Python was started with (`-u`, `-X dev`): what stands before the script, or `-m`."""
    options = sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv)]
    if options and sys.modules["__main__"].__spec__ is not None:  # python -m porter, python -um porter
        last = options.pop().removesuffix("m")
        options += [last] if last != "-" else []
    return options
