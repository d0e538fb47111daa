"""What to do after a rewrite, with the files that are there: commands to copy."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from porter.report.outcome import Command

if TYPE_CHECKING:
    from porter.engine import FileChange

_MAIN = re.compile(rb"^if __name__ == [\"']__main__[\"']", re.MULTILINE)


def proofs(files: Sequence[FileChange], paths: Sequence[str], target: str) -> Iterator[Command]:
    """How to see whether the port works: a program among the files is run, and cases are verified.

    Of several programs it is one that lies highest, and of those the one that changes most.
    """
    programs = [file for file in files if file.path.endswith(".py") and _MAIN.search(file.after)]
    programs = [file for file in programs if not Path(file.path).with_name("__init__.py").exists()]
    if programs and target != "xla":
        program = min(programs, key=lambda file: (file.path.count("/"), -len(file.applied), file.path))
        yield Command(f"porter run {shlex.quote(program.path)}", "run it; the device is simulated where there is none")
    if folder := _cases(paths):
        yield Command(f"porter verify {shlex.quote(folder)}", "compare it with the original, on the CPU")


def _cases(paths: Sequence[str]) -> str | None:
    """The nearest folder with cases: one of the paths, or one above them, up to this."""
    from porter.verify.cases import CASES_FILE

    here = Path.cwd()
    for path in paths:
        place = Path(path).resolve()
        for folder in (place, *place.parents):
            if (folder / CASES_FILE).is_file():
                return str(folder.relative_to(here)) if folder.is_relative_to(here) else str(folder)
            if folder == here:
                break
    return None
