"""``-o``: where the reports of `check` go, in one format or in several at once."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from porter.cli.options import Failure
from porter.cli.output import PIPED_WIDTH, emit
from porter.report import CHECK_FORMATS, Render, renderer
from porter.report.view import View
from porter.report.words import visible

if TYPE_CHECKING:
    from porter.engine import Report


class Output(NamedTuple):
    """A file for a report. Without a format of its own it takes what would go to standard output."""

    format: str | None
    path: str


def parse(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[Output, ...]:
    """``report.txt`` or ``sarif:porter.sarif``, each given once. Raises `click.BadParameter`."""
    outputs = []
    for value in values:
        head, colon, rest = value.partition(":")
        output = Output(head, rest) if colon and head in CHECK_FORMATS else Output(None, value)
        if not output.path:
            raise click.BadParameter(f"`{value}` names no file")
        outputs.append(output)
    if sum(output.format is None for output in outputs) > 1:
        raise click.BadParameter(f"give the format of all but one file: {', '.join(CHECK_FORMATS)}")
    paths = [os.path.realpath(output.path) for output in outputs]
    if len(set(paths)) < len(paths):
        raise click.BadParameter("two reports cannot go to one file")
    return tuple(outputs)


def publish(report: Report, view: View, outputs: tuple[Output, ...], render: Render | None = None) -> None:
    """Write the report to every file, and to standard output unless a file takes its place: there by ``render``."""
    main = render or renderer(CHECK_FORMATS, view.settings.output_format)
    plain = view.plain(PIPED_WIDTH)
    for output in outputs:
        render = renderer(CHECK_FORMATS, output.format) if output.format else main
        save(Path(output.path), render(report, plain))
    if all(output.format for output in outputs):
        emit(main(report, view))


def save(path: Path, pieces: Iterable[str]) -> None:
    """Put a report into a file: all of it, or the file stays as it was. Raises `Failure`."""
    path = Path(os.path.realpath(path))
    special = path.exists() and not path.is_file()  # a pipe, a terminal, /dev/null
    scratch = path if special else path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            with scratch.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
                file.writelines(pieces)
            if not special:
                scratch.replace(path)
        except BaseException:
            if not special:
                scratch.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise Failure(f"{visible(str(path))} cannot be written: {(error.strerror or str(error)).lower()}") from error
