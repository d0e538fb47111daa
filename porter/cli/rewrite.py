"""``porter rewrite``: the port itself, as a patch or in place."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from porter.cli import FAILED, FOUND
from porter.cli.options import STDIN, Common, Failure, common
from porter.cli.output import Progress, emit_bytes
from porter.report import outcome
from porter.report.patch import colorize, unified


@click.command("rewrite", short_help="Rewrite CUDA uses: show the patch, save it, or apply it.")
@common
@click.option("--diff", is_flag=True, help="Write the patch to standard output.  [default]")
@click.option("--write", is_flag=True, help="Change the files.")
@click.option("--patch", type=click.Path(dir_okay=False, writable=True), metavar="FILE", help="Save the patch.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if something would change.")
@click.option("--safe-only", is_flag=True, help="Only what keeps its behaviour: leave out verdict review.")
@click.option("--annotate", is_flag=True, help="Leave a comment where a person must decide.")
def command(
    common: Common,
    paths: tuple[str, ...],
    diff: bool,
    write: bool,
    patch: str | None,
    check: bool,
    safe_only: bool,
    annotate: bool,
) -> int:
    """Rewrite the CUDA uses in PATHS (default: here) for the target.

    Without --write nothing is changed. `-` reads standard input; with --write the result goes to
    standard output.

    Exit status: 0; 1 under --check if something would change; 2 wrong usage or settings, or files
    that could not be rewritten.
    """
    from porter import engine

    if diff + write + (patch is not None) > 1:
        raise click.UsageError("--diff, --write and --patch exclude one another")
    if check and (write or patch):
        raise click.UsageError("--check writes nothing: leave out --write and --patch")
    settings = common.settings(paths)
    stdin = common.stdin(paths)
    talk = common.talk()
    with Progress(talk) as progress:
        result = engine.rewrite(
            paths, settings, stdin=stdin, safe_only=safe_only, annotate=annotate, progress=progress
        )
    view = common.view(settings.target, paths, stdin)
    failed = False
    if write and STDIN in paths:
        emit_bytes(result.files[0].after if result.files else stdin[1] if stdin else b"")
    elif write:
        failed = _write(result.files, talk)
    elif patch is not None:
        _save(Path(patch), b"".join(map(unified, result.files)))
    elif diff or not check:
        for change in result.files:
            text = unified(change)
            emit_bytes(colorize(text, view.paint) if view.paint.enabled else text)
    return 0
