"""``porter check``: the gate. Fails on every CUDA use that the target cannot take as it is."""

from __future__ import annotations

import click
import msgspec

from porter.cli import FAILED, FOUND
from porter.cli.options import Common, common
from porter.cli.output import Progress
from porter.cli.outputs import Output, parse, publish
from porter.report import CHECK_FORMATS
from porter.report.words import breakdown, failing, plural, tally, unreported


@click.command("check", short_help="List CUDA uses and fail where there are any.")
@common
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
def command(common: Common, paths: tuple[str, ...], format_: str | None, outputs: tuple[Output, ...]) -> int:
    """List the CUDA uses in PATHS (default: here) that need a change, with what porter would write.

    Uses that work on the target as they are do not count; -v shows them too, and on standard error
    the places that mention CUDA and are no uses. `-` reads standard input.

    Exit status: 0 clean, 1 findings, 2 wrong usage or settings, or files that could not be read.
    """
    from porter import engine

    settings = common.settings(paths, output_format=format_)
    stdin = common.stdin(paths)
    talk = common.talk()
    with Progress(talk) as progress:
        report = engine.run(paths, settings, stdin=stdin, audit=common.verbose, progress=progress)
    found = failing(report.findings)
    shown = msgspec.structs.replace(report, findings=report.findings if common.verbose else found)
    publish(shown, common.view(settings, paths, stdin), outputs)

    for dismissal in report.dismissed:
        talk.say(talk.paint(f"{dismissal.path}:{dismissal.line}: no use: {dismissal.reason}: {dismissal.text}", "dim"))
    problems = unreported(report)
    for problem in problems:
        talk.problem(problem)
    if found:
        portable = len(shown.findings) - len(found)
        besides = f", and {portable:,} portable" if portable else ""
        talk.say(f"Found {plural(len(found), 'finding')}: {breakdown(tally(found))}{besides}.")
        if fixable := sum(finding.fix is not None for finding in found):
            talk.say(f"{talk.paint('[*]', 'cyan')} {fixable:,} can be rewritten with `porter rewrite`.")
        return FOUND
    if problems:
        return FAILED
    talk.say("All checks passed!")
    return 0
