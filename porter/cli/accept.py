"""The two ways in which `porter check` accepts what is there: a baseline, and comments with a reason."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from porter.cli import FAILED, FOUND
from porter.cli.options import Failure
from porter.cli.output import Talk
from porter.cli.outputs import save
from porter.cli.policy import Policy
from porter.reading import head
from porter.report.words import location, plural, unreported, visible

if TYPE_CHECKING:
    from porter.config import Settings
    from porter.engine import Report
    from porter.model import Finding


def write_baseline(
    findings: Sequence[Finding], settings: Settings, paths: tuple[str, ...], report: Report, talk: Talk
) -> int:
    """Make what fails now the baseline. The exit status."""
    from porter.gate.baseline import FILE, BaselineError, dump
    from porter.gate.known import Scope, rewritten

    file = Path(settings.baseline or Path(settings.root) / FILE)
    try:
        before, after = rewritten(file, Scope(file, paths, report.problems), findings)
    except BaselineError as error:
        raise Failure(visible(str(error))) from error
    problems = unreported(report)
    for problem in problems:
        talk.problem(problem)
    save(file, [dump(after)])
    old, new = Counter(before), Counter(after)
    added, removed = (old_or_new.total() for old_or_new in (new - old, old - new))
    change = f" ({added:,} new, {removed:,} gone)" if before else ""
    talk.say(f"Wrote {visible(str(_here(file)))}: {plural(len(after), 'finding')}{change}.")
    if not settings.baseline:
        talk.say(f'Next: write `baseline = "{FILE}"` into the settings, and commit both.')
    return FAILED if problems else 0


def check_reason(reason: str, stdin: object, policy: Policy) -> None:
    """Raise `click.UsageError` where comments cannot be written, or not with this reason."""
    from porter.gate.comments import reason_error

    if stdin is not None:
        raise click.UsageError("--add-ignore changes files: it cannot be used with `-`")
    if policy.write_baseline:
        raise click.UsageError("--add-ignore and --write-baseline exclude one another: accept in one way or the other")
    if error := reason_error(reason):
        raise click.BadParameter(error, param_hint="--add-ignore")


def write_comments(findings: Sequence[Finding], reason: str, talk: Talk) -> int:
    """Silence what fails by comments. The exit status: 1 where some of it has no place for one."""
    from porter.cli.write import WriteError, replace
    from porter.gate.comments import silenced
    from porter.sources.decode import read
    from porter.sources.source import Source

    by_file: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_file[finding.path].append(finding)
    done, changed, failed = 0, 0, False
    left: list[Finding] = []
    for path, members in by_file.items():
        source = read(path, path, _kind(path))
        after, quiet = silenced(source, members, reason) if isinstance(source, Source) else (b"", [])
        if isinstance(source, Source) and quiet:
            try:
                replace(Path(path), source.raw, after, within=Path.cwd())
            except WriteError as error:
                talk.error(f"{path}: {error}")
                failed = True
                continue
            done, changed = done + len(quiet), changed + 1
        left += [finding for finding in members if finding not in quiet]
    for finding in left:
        talk.warn(f"{location(finding)}: {finding.code} has no place for a comment: use per-file-ignores")
    talk.say(f"Silenced {plural(done, 'finding')} in {plural(changed, 'file')}." if done else "Nothing to silence.")
    return FAILED if failed else FOUND if left else 0


def _kind(path: str) -> str:
    from porter.sources.kinds import kind_of, kind_of_script

    return kind_of(path) or kind_of_script(head(path)) or "python"


def _here(file: Path) -> Path:
    return file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
