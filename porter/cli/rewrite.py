"""``porter rewrite``: the port itself, as a patch or in place."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from porter.cli import FAILED, FOUND
from porter.cli.options import Common, common
from porter.cli.output import Progress, colored, emit_bytes
from porter.cli.write import replace_all
from porter.report.outcome import tell
from porter.report.paint import Paint
from porter.report.patch import colorize
from porter.report.words import unreported

if TYPE_CHECKING:
    from porter.engine import FileChange


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
        result = engine.rewrite(paths, settings, stdin=stdin, safe_only=safe_only, annotate=annotate, progress=progress)
    files = [change for change in result.files if change.after != change.before]
    problems = unreported(result.report)
    for problem in problems:
        talk.problem(problem)

    failed = bool(problems)
    again = f"porter rewrite --write {shlex.join(paths)}"
    if write and stdin:
        emit_bytes(files[0].after if files else stdin[1])
        done, following = "Rewrote", ""
    elif write:
        failed |= not replace_all(files, talk, within=Path.cwd())
        done, following = "Rewrote", f"git diff; porter check {shlex.join(paths)}"
    elif patch is not None:
        base = _base(files, paths)
        Path(patch).write_bytes(b"".join(_patches(files, base)))
        saved = shlex.quote(str(Path(patch).resolve()))
        done, following = f"Saved as {patch}:", f"cd {shlex.quote(str(base))} && git apply {saved}"
    else:
        if diff or not check:
            paint = Paint(colored(common.color, sys.stdout))
            for piece in _patches(files, _base(files, paths)):
                emit_bytes(colorize(piece, paint) if paint.enabled else piece)
        done, following = "Would rewrite", again
    for line in tell(result, talk.paint, done=done, following=following if files else ""):
        talk.say(line)
    if failed:
        return FAILED
    return FOUND if check and files else 0


def _patches(files: Sequence[FileChange], base: Path) -> Iterator[bytes]:
    from porter.rewrite.patch import unified

    here = base == Path.cwd()
    for change in files:
        path = change.path if here else Path(os.path.relpath(Path(change.path).resolve(), base)).as_posix()
        yield unified(path, change.before, change.changes)


def _base(files: Sequence[FileChange], paths: Sequence[str]) -> Path:
    """The directory to apply the patch in: this one, or where the files are if some are outside it.

    `git apply` takes no path that leads upwards.
    """
    if not any(change.path.startswith(("../", "/")) for change in files):
        return Path.cwd()
    common = Path(os.path.commonpath([Path(path).resolve() for path in paths]))
    return common if common.is_dir() else common.parent
