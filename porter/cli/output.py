"""Where commands write: data to standard output, talk to standard error, colours where a person reads."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from time import monotonic
from typing import TYPE_CHECKING, TextIO

import click

from porter.report.paint import Paint
from porter.report.words import visible

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

    from porter.model import Problem

PIPED_WIDTH = 100  # columns of a report that no terminal shows
PATIENCE = 1.0  # seconds before a progress bar is worth its flicker


def colored(choice: str, stream: TextIO) -> bool:
    """Whether to colour ``stream``: ``choice``, then FORCE_COLOR, then NO_COLOR, then what the stream is."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("FORCE_COLOR"):
        return True
    if os.environ.get("NO_COLOR"):
        return False
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def width() -> int:
    """Columns that a report may take."""
    if sys.stdout.isatty() or "COLUMNS" in os.environ:
        return shutil.get_terminal_size().columns
    return PIPED_WIDTH


def emit(pieces: Iterable[str]) -> None:
    """Write data to standard output."""
    sys.stdout.writelines(pieces)
    sys.stdout.flush()


def emit_bytes(data: bytes) -> None:
    """Write data that must arrive byte for byte."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


class Talk:
    """Standard error: what a person wants to know beside the data. Silent under ``quiet``, but for errors."""

    def __init__(self, color: str, quiet: bool) -> None:
        self.paint = Paint(colored(color, sys.stderr))
        self.quiet = quiet

    def width(self) -> int:
        """Columns that a line may take."""
        try:
            return int(os.environ.get("COLUMNS") or os.get_terminal_size(sys.stderr.fileno()).columns)
        except (OSError, ValueError):  # no terminal; a variable that is no number
            return PIPED_WIDTH

    def say(self, line: str = "") -> None:
        """Write a line of talk."""
        if not self.quiet:
            click.echo(line, err=True, color=True)

    def error(self, line: str) -> None:
        """Write a line that must be seen."""
        click.echo(f"{self.paint('error', 'bold red')}: {visible(line)}", err=True, color=True)

    def warn(self, line: str) -> None:
        """Write a line about something that was left out."""
        click.echo(f"{self.paint('warning', 'bold yellow')}: {visible(line)}", err=True, color=True)

    def problem(self, problem: Problem) -> None:
        """Warn of a file or setting that could not be used."""
        place = problem.path if problem.line is None else f"{problem.path}:{problem.line}"
        self.warn(f"{place}: {problem.message}")


class Progress:
    """A bar on standard error, called with files done and files to do.

    It appears on a terminal only, and only once the work has taken a second, so that short runs
    neither flicker nor import what draws it.
    """

    def __init__(self, talk: Talk) -> None:
        self._wanted = sys.stderr.isatty() and not talk.quiet
        self._begin = monotonic()
        self._bar: RichProgress | None = None

    def __enter__(self) -> Progress:
        return self

    def __call__(self, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` files are dealt with."""
        if not self._wanted or monotonic() - self._begin < PATIENCE:
            return
        if self._bar is None:
            from rich.console import Console
            from rich.progress import Progress as RichProgress

            self._bar = RichProgress(console=Console(stderr=True), transient=True)
            self._bar.start()
            self._bar.add_task("scanning", total=total)
        self._bar.update(self._bar.task_ids[0], completed=done, total=total)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
