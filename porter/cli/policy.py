"""The options of `porter check` that say what fails it, declared once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click

from porter.cli.options import choices
from porter.model import Verdict

_VERDICTS = [str(verdict) for verdict in Verdict if verdict is not Verdict.PORTABLE]


class Policy(NamedTuple):
    """What these options say, as given."""

    fail_on: tuple[str, ...]
    guarded: bool
    max_findings: int | None
    baseline: str | None
    no_baseline: bool
    baseline_strict: bool
    write_baseline: bool
    since: str | None
    diff_base: str | None

    def settings(self) -> dict[str, object]:
        """The settings that they amount to; None for what was not given."""
        return {
            "fail_on": self.fail_on or None,
            "guarded": self.guarded or None,
            "max_findings": self.max_findings,
            "baseline": self.baseline and str(Path(self.baseline).absolute()),
            "baseline_strict": self.baseline_strict or None,
        }

    def check(self, paths: tuple[str, ...]) -> None:
        """Raise `click.UsageError` for what does not go together."""
        if self.since and self.diff_base:
            raise click.UsageError("--since and --diff-base exclude one another")
        if self.no_baseline and (self.baseline or self.write_baseline or self.baseline_strict):
            raise click.UsageError("--no-baseline excludes the other options about a baseline")
        changed = "--since" if self.since else "--diff-base" if self.diff_base else ""
        if changed and self.write_baseline:
            raise click.UsageError(f"{changed} hides findings that a baseline has to have: leave it out")
        if changed and "-" in paths:
            raise click.UsageError(f"{changed} is for files: there is no telling what has changed in standard input")


_OPTIONS = (
    click.option(
        "--fail-on",
        multiple=True,
        metavar="VERDICTS",
        callback=lambda _, __, values: choices(values, _VERDICTS),
        help=f"Verdicts to fail on.  [default: {','.join(_VERDICTS)}]",
    ),
    click.option("--guarded", is_flag=True, help="Fail also on what runs only under a test for CUDA."),
    click.option("--max-findings", type=click.IntRange(min=0), metavar="N", help="Pass with up to N findings."),
    click.option("--baseline", type=click.Path(dir_okay=False), metavar="FILE", help="Let pass what FILE knows."),
    click.option("--no-baseline", is_flag=True, help="Use no baseline, whatever the settings say."),
    click.option(
        "--baseline-strict", is_flag=True, help="Fail also on lines of the baseline that have no use any more."
    ),
    click.option("--write-baseline", is_flag=True, help="Make what is found now the baseline."),
    click.option("--since", metavar="REV", help="Only lines changed since REV, staged or not."),
    click.option("--diff-base", metavar="REV", help="Only lines changed since HEAD parted from REV: a pull request."),
)


def policy(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command these options; it gets them as ``policy``."""

    @functools.wraps(function)
    def wrapper(**values: Any) -> Any:
        return function(policy=Policy(**{name: values.pop(name) for name in Policy._fields}), **values)

    for option in reversed(_OPTIONS):
        wrapper = option(wrapper)
    return wrapper
