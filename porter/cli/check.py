"""``porter check``: the gate. Fails on every CUDA use that the target cannot take as it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from porter.cli import FAILED, FOUND
from porter.cli.accept import check_reason, write_baseline, write_comments
from porter.cli.options import Common, Failure, common
from porter.cli.output import Progress, Talk, emit
from porter.cli.outputs import Output, parse, publish
from porter.cli.policy import Policy, policy
from porter.report import CHECK_FORMATS, STATISTICS, renderer
from porter.report.words import plural, unreported, visible

if TYPE_CHECKING:
    from porter.config import Settings
    from porter.engine import Report
    from porter.gate.gate import Outcome


@click.command("check", short_help="List CUDA uses and fail where there are any.")
@common
@policy
@click.option(
    "--format",
    "format_",
    type=click.Choice(tuple(CHECK_FORMATS)),
    help="How findings are written.  [default: full]",
)
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    callback=parse,
    metavar="[FORMAT:]FILE",
    help="Write to FILE instead of standard output; with FORMAT, beside it. May be repeated.",
)
@click.option("--statistics", is_flag=True, help="Count findings by rule instead of listing them.")
@click.option("--add-ignore", metavar="REASON", help="Write comments that silence what fails, with this reason.")
@click.option("--explain-config", is_flag=True, help="Show every setting, and which file or option has set it.")
def command(
    common: Common,
    policy: Policy,
    paths: tuple[str, ...],
    format_: str | None,
    outputs: tuple[Output, ...],
    statistics: bool,
    add_ignore: str | None,
    explain_config: bool,
) -> int:
    """List the CUDA uses in PATHS (default: here) that need a change, with what porter would write.

    Uses that work on the target as they are do not count, nor do those that run only under a test for
    CUDA; -v shows them too, and on standard error the places that mention CUDA and are no uses.
    With several targets a use counts that needs a change for each of them. `-` reads standard input.

    Exit status: 0 clean, 1 findings, 2 wrong usage or settings, or files that could not be read.
    """
    from porter.gate.gate import judge

    policy.check(paths)
    settings, origins = common.traced_settings(paths, output_format=format_, **policy.settings())
    if explain_config:
        from porter.report.settings import explain

        emit(explain(settings, origins))
        return 0
    stdin = common.stdin(paths)
    talk = common.talk()
    if add_ignore is not None:
        check_reason(add_ignore, stdin, policy)
    report = _run(paths, settings, stdin, common.verbose, talk)
    outcome = judge(report.findings, settings)
    if policy.write_baseline:
        return write_baseline(outcome.errors, settings, paths, report, talk)
    _narrow(outcome, settings, policy, paths, report)
    if add_ignore is not None:
        return write_comments(outcome.errors, add_ignore, talk)

    shown = [*outcome.errors, *outcome.warnings, *(outcome.notes if common.verbose else ())]
    wanted = set(map(id, shown))
    shown = [finding for finding in report.findings if id(finding) in wanted]
    counted = renderer(STATISTICS, "statistics") if statistics else None
    publish(msgspec.structs.replace(report, findings=shown), common.view(settings, paths, stdin), outputs, counted)
    return _tell(outcome, settings, policy, report, talk, verbose=common.verbose)


def _run(
    paths: tuple[str, ...], settings: Settings, stdin: tuple[str, bytes] | None, audit: bool, talk: Talk
) -> Report:
    """One report, whatever the number of targets."""
    from porter import engine

    with Progress(talk) as progress:
        if len(settings.targets) < 2:
            return engine.run(paths, settings, stdin=stdin, audit=audit, progress=progress)
        from porter.gate.targets import each, joined

        reports = [engine.run(paths, one, stdin=stdin, audit=audit, progress=progress) for one in each(settings)]
        return joined(reports, settings.weigh)


def _narrow(outcome: Outcome, settings: Settings, policy: Policy, paths: tuple[str, ...], report: Report) -> None:
    """Take out what is known, and what has not changed."""
    if settings.baseline and not policy.no_baseline:
        from porter.gate.baseline import BaselineError
        from porter.gate.gate import against_baseline

        try:
            against_baseline(outcome, Path(settings.baseline), paths, report.problems)
        except BaselineError as error:
            raise Failure(visible(str(error))) from error
    if revision := policy.since or policy.diff_base:
        from porter.gate.changes import Changes
        from porter.gate.gate import on_changed_lines
        from porter.gate.git import GitError

        try:
            on_changed_lines(outcome, Changes(paths, revision, merge_base=policy.since is None).touch)
        except GitError as error:
            raise Failure(visible(str(error))) from error


def _tell(outcome: Outcome, settings: Settings, policy: Policy, report: Report, talk: Talk, *, verbose: bool) -> int:
    """Say what comes of the run. The exit status."""
    from porter.gate import words

    for dismissal in report.dismissed:
        told = f"{dismissal.path}:{dismissal.line}: no use: {dismissal.reason}: {dismissal.text}"
        talk.say(talk.paint(visible(told), "dim"))
    problems = unreported(report)
    for problem in problems:
        talk.problem(problem)
    for line in words.found(outcome, talk.paint, verbose=verbose):
        talk.say(line)
    for line in words.passed_over(outcome, settings, policy.since or policy.diff_base):
        talk.say(talk.paint(line, "dim"))
    if outcome.gone and settings.baseline_strict:
        for line in words.gone(outcome, settings):
            talk.error(line)
    elif outcome.gone:
        known = plural(len(outcome.gone), "line")
        talk.say(talk.paint(f"{known} of the baseline can go: `porter check --write-baseline` writes it anew.", "dim"))
    if len(outcome.errors) > settings.max_findings or (outcome.gone and settings.baseline_strict):
        return FOUND
    if problems:
        return FAILED
    talk.say(f"Passed: up to {settings.max_findings:,} are let pass." if outcome.errors else "All checks passed!")
    return 0
