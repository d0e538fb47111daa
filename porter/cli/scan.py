"""``porter scan``: the report before the work. Never writes, never fails on what it finds."""

from __future__ import annotations

import click

from porter.cli.options import Common, common
from porter.cli.output import Progress, emit
from porter.report import SCAN_FORMATS, renderer


@click.command("scan", short_help="Report what ties a repository to CUDA, and how much work a port is.")
@common
@click.option(
    "--format",
    "format_",
    type=click.Choice(tuple(SCAN_FORMATS)),
    default="text",
    help="How the report is written.  [default: text]",
)
def command(common: Common, paths: tuple[str, ...], format_: str) -> None:
    """Report what ties PATHS (default: here) to CUDA: what porter rewrites, what needs a person, how much work that is.

    Exit status: 0, or 2 for wrong usage or settings.
    """
    from porter import engine

    settings = common.settings(paths)
    stdin = common.stdin(paths)
    with Progress(common.talk()) as progress:
        report = engine.run(paths, settings, stdin=stdin, progress=progress)
    emit(renderer(SCAN_FORMATS, format_)(report, common.view(settings, paths, stdin)))
