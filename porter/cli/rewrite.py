"""``porter rewrite``: the port itself, as a patch or in place."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from porter.cli import FAILED, FOUND
from porter.cli.following import proofs
from porter.cli.options import Common, Failure, common
from porter.cli.output import Progress, colored, emit_bytes
from porter.cli.patches import base_of, divide, is_new, save_rationale, save_series, save_single, single
from porter.cli.write import replace_all
from porter.report.outcome import Command, tell
from porter.report.paint import Paint
from porter.report.patch import colorize
from porter.report.words import plural, unreported, visible

if TYPE_CHECKING:
    from porter.cli.output import Talk
    from porter.config import Settings
    from porter.engine import FileChange, RewriteReport
    from porter.rewrite.series import Patch

SPLITS = ("rule", "file", "verdict")  # as in `porter.rewrite.series`
NAMED = 3  # files in a message


class Wishes(NamedTuple):
    """The options of this command alone."""

    diff: bool
    write: bool
    patch: str | None
    split_by: str | None
    explain_patch: str | None
    interactive: bool
    check: bool
    safe_only: bool
    annotate: bool
    strip_annotations: bool
    force: bool
    helper: str | None

    def agree(self, stdin: object, target: str) -> None:
        """Raise `click.UsageError` where they contradict one another, or what they are for."""
        if self.diff + self.write + (self.patch is not None) > 1:
            raise click.UsageError("--diff, --write and --patch exclude one another")
        if self.check and (self.write or self.patch or self.interactive or self.explain_patch):
            raise click.UsageError("--check writes nothing: leave out --write, --patch, --explain-patch, --interactive")
        if self.split_by and not self.patch:
            raise click.UsageError("--split-by makes several patches: say where to with --patch FOLDER")
        if self.force and not self.writes:
            raise click.UsageError("--force is for --write and --interactive")
        if self.strip_annotations and (self.annotate or self.safe_only or self.split_by or self.explain_patch):
            raise click.UsageError(
                "--strip-annotations does nothing else: use it with --diff, --write or --patch alone"
            )
        if self.interactive and stdin:
            raise click.UsageError("--interactive asks questions: it cannot be used with `-`")
        if self.helper and target != "portable":
            raise click.UsageError("--helper is for --target portable")
        if self.interactive:
            from porter.cli.interactive import check_terminal

            check_terminal()

    @property
    def writes(self) -> bool:
        """Whether the files are to be changed."""
        return self.write or (self.interactive and not self.diff and self.patch is None)

    def again(self, common: Common, paths: Sequence[str]) -> Command:
        """How to do in place what was shown."""
        flags = [
            f"--{name.replace('_', '-')}"
            for name in ("safe_only", "annotate", "strip_annotations")
            if getattr(self, name)
        ]
        flags += ["--helper", self.helper] if self.helper else []
        target = ["--target", *common.target] if common.target else []
        return Command(shlex.join(["porter", "rewrite", "--write", *target, *flags, *paths]), "change the files")


@click.command("rewrite", short_help="Rewrite CUDA uses: show the patch, save it, or apply it.")
@common
@click.option("--diff", is_flag=True, help="Write the patch to standard output.  [default]")
@click.option("--write", is_flag=True, help="Change the files, unless git knows of changes that are not committed.")
@click.option(
    "--patch", type=click.Path(), metavar="FILE", help="Save the patch; with --split-by, a folder of patches."
)
@click.option("--split-by", type=click.Choice(SPLITS), help="Save a series of patches, to be applied in order.")
@click.option("--explain-patch", type=click.Path(dir_okay=False), metavar="FILE", help="Save the reasons, as Markdown.")
@click.option("-i", "--interactive", is_flag=True, help="Ask for each change, then write those taken.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if something would change.")
@click.option("--safe-only", is_flag=True, help="Only what keeps its behaviour: leave out verdict review.")
@click.option("--annotate", is_flag=True, help="Leave a comment where a person must decide.")
@click.option("--strip-annotations", is_flag=True, help="Take those comments away, and do nothing else.")
@click.option(
    "--helper",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="For `portable`: a module to write, with functions that ask for the device.",
)
@click.option("--force", is_flag=True, help="Change files also where that mixes with changes that are not committed.")
def command(common: Common, paths: tuple[str, ...], **given: Any) -> int:
    """Rewrite the CUDA uses in PATHS (default: here) for the target.

    Without --write or --interactive no file is changed. `-` reads standard input; with --write the
    result goes to standard output. docs/rewrite.md is the manual.

    Exit status: 0; 1 under --check if something would change; 2 wrong usage or settings, or files
    that could not be rewritten.
    """
    wishes = Wishes(**given)
    settings = common.settings(paths)
    stdin = common.stdin(paths)
    wishes.agree(stdin, settings.target)
    talk = common.talk()
    result = _rewritten(wishes, paths, settings, stdin, talk)
    problems = unreported(result.report)
    for problem in problems:
        talk.problem(problem)
    failed = bool(problems)
    tracked = wishes.writes and not stdin and _tracked(_changed(result), wishes.force)
    if wishes.interactive:
        from porter.cli.interactive import pick

        result.files, refused = pick(result.files, talk)
        failed |= refused
    files = _changed(result)
    proved = files and not stdin and not wishes.strip_annotations
    following = [*proofs(files, paths, settings.target)] if proved else []
    patches = _patches(wishes, files) if wishes.split_by or wishes.explain_patch else []
    if wishes.explain_patch:
        save_rationale(patches, settings, wishes.explain_patch)
    done = "Rewrote {}" if wishes.writes else "Would rewrite {}"
    if wishes.writes and stdin:
        emit_bytes(files[0].after if files else stdin[1])
    elif wishes.writes:
        failed |= not replace_all(files, talk, within=Path.cwd())
        following[:0] = [Command("git diff", "see what has changed")] if tracked else []
    elif wishes.patch is not None:
        done, applying = _saved(wishes, wishes.patch, patches, files, base_of(files, paths))
        following.insert(0, Command(applying, "change the files"))
    else:
        if wishes.diff or not wishes.check:
            _show(files, base_of(files, paths), Paint(colored(common.color, sys.stdout)))
        following.insert(0, wishes.again(common, paths))
    told = tell(
        result,
        talk.paint,
        talk.width(),
        done=done,
        following=following if files else (),
        safe_only=wishes.safe_only,
    )
    for line in told:
        talk.say(line)
    if failed:
        return FAILED
    return FOUND if wishes.check and files else 0


def _rewritten(
    wishes: Wishes, paths: Sequence[str], settings: Settings, stdin: tuple[str, bytes] | None, talk: Talk
) -> RewriteReport:
    """What becomes of the files, shown while it goes on."""
    from porter import engine

    with Progress(talk) as progress:
        if wishes.strip_annotations:
            return engine.strip(paths, settings, stdin=stdin)
        return engine.rewrite(
            paths,
            settings,
            stdin=stdin,
            safe_only=wishes.safe_only,
            annotate=wishes.annotate,
            helper=wishes.helper,
            progress=progress,
        )


def _saved(
    wishes: Wishes, place: str, patches: list[tuple[str, Patch]], files: Sequence[FileChange], base: Path
) -> tuple[str, str]:
    """Save the patch, or the series: what is said of it, and how it is applied."""
    if not wishes.split_by:
        return f"Saved the rewrite of {{}} as {place}", save_single(files, base, place)
    applying = save_series(patches, base, place)
    return f"Saved the rewrite of {{}} as {plural(len(patches), 'patch', 'patches')} in {place}", applying


def _changed(result: RewriteReport) -> list[FileChange]:
    return [change for change in result.files if change.after != change.before or is_new(change)]


def _tracked(files: Sequence[FileChange], force: bool) -> bool:
    """Whether git can bring back all that is about to change. Raises `Failure` where it cannot yet, unless by force."""
    from porter.gate.git import GitError
    from porter.gate.uncommitted import standing

    try:
        found = standing(file.path for file in files if not is_new(file))
    except GitError as error:
        if force:
            return False
        raise Failure(
            f"git cannot tell what is committed: {error}\nTo change files all the same, add --force."
        ) from error
    if found.uncommitted and not force:
        named = ", ".join(map(visible, found.uncommitted[:NAMED]))
        more = f" and {len(found.uncommitted) - NAMED:,} more" if len(found.uncommitted) > NAMED else ""
        what = plural(len(found.uncommitted), "file that would change has", "files that would change have")
        raise Failure(
            f"{what} changes that are not committed: {named}{more}\n"
            "Nothing was written. Commit or stash them first, and `git diff` shows porter's work alone; or add --force."
        )
    return not found.unknown and not found.uncommitted


def _show(files: Sequence[FileChange], base: Path, paint: Paint) -> None:
    """Write the patch to standard output."""
    for piece in single(files, base):
        emit_bytes(colorize(piece, paint) if paint.enabled else piece)


def _patches(wishes: Wishes, files: Sequence[FileChange]) -> list[tuple[str, Patch]]:
    """What is saved, with the names of the files."""
    from porter.rewrite.series import file_names, series, whole

    divided = divide(files)
    if wishes.split_by is None:
        return [("", whole(divided))]
    patches = series(divided, wishes.split_by)
    return list(zip(file_names(patches), patches, strict=True))
