"""``porter verify``: what the port computes against what the original computes."""

from __future__ import annotations

import importlib.util
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from porter.cli.options import Failure, plain_failures
from porter.cli.output import Talk, colored, width
from porter.config import Backend, suggestion
from porter.report.words import visible

if TYPE_CHECKING:
    from porter.config import Settings
    from porter.verify.cases import Suite

FORMATS = {
    "text": "porter.verify.report.text",
    "json": "porter.verify.report.json",
    "junit": "porter.verify.report.junit",
}
_BACKEND = click.Choice(get_args(Backend))
_SECONDS = click.FloatRange(min=0, min_open=True)
_FILE = click.Path(dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command("verify", short_help="Compare what a port computes with what the original computes.")
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path), metavar="[PATHS]...")
@click.option("--backend", "backends", multiple=True, type=_BACKEND, help="Where to run.  [default: all but cpu]")
@click.option("--require", multiple=True, type=_BACKEND, help="Fail if a case has not run on this backend.")
@click.option("--case", "names", multiple=True, metavar="NAME", help="Cases to run.  [default: all]")
@click.option("--per-layer", is_flag=True, help="Name the first layer that diverges.")
@click.option("--refreeze", is_flag=True, help="Compute the oracles anew.")
@click.option("--timeout", type=_SECONDS, metavar="SECONDS", help="Limit for each run, in place of the cases' own.")
@click.option("--format", "format_", type=click.Choice(tuple(FORMATS)), default="text", help="[default: text]")
@click.option("-o", "--output", type=_FILE, metavar="FILE", help="Write the report there.")
@click.option("--setup", type=click.Choice(("xla-cpu",)), help="Build the environment of a backend; verify nothing.")
@click.option(
    "--env-dir",
    type=_FOLDER,
    metavar="DIR",
    envvar="PORTER_XLA_ENV",
    help="Where that environment is.  [default: the user's cache]",
)
@click.option("--config", type=click.Path(exists=True, dir_okay=False), metavar="FILE", help="Settings to use.")
@click.option("--color", type=click.Choice(("auto", "always", "never")), default="auto", help="[default: auto]")
@click.option("-q", "--quiet", is_flag=True, help="Nothing on standard error but errors.")
@click.option("-v", "--verbose", is_flag=True, help="Show every tensor.")
@plain_failures
def command(
    paths: tuple[Path, ...],
    backends: tuple[Backend, ...],
    require: tuple[Backend, ...],
    names: tuple[str, ...],
    per_layer: bool,
    refreeze: bool,
    timeout: float | None,
    format_: str,
    output: Path | None,
    setup: str | None,
    env_dir: Path | None,
    config: str | None,
    color: str,
    quiet: bool,
    verbose: bool,
) -> int:
    """Run the cases in PATHS (folders or files; default: here) and compare the port with the original on the CPU.

    This executes the program's code, and that of porter_cases.py. docs/verify.md says how cases are written.

    Exit status: 0 if nothing failed and every required backend ran, 1 otherwise, 2 for wrong usage or settings.
    """
    talk = Talk(color, quiet)
    if setup:
        _setup(env_dir, talk)
        return 0
    if importlib.util.find_spec("torch") is None:
        raise Failure("porter verify needs PyTorch, which is not installed here: pip install 'trn-porter[verify]'")
    from porter.config import load
    from porter.verify.environments import XlaEnvironment
    from porter.verify.proof import Options, verify
    from porter.verify.report.model import Report

    report = Report()
    for path in paths or (Path(),):
        settings = load(path, config)
        suite = _suite(path, settings, names, timeout)
        required = require or settings.verify.require
        wanted = dict.fromkeys((*(backends or settings.verify.backends), *required))
        options = Options(tuple(wanted), XlaEnvironment(env_dir), refreeze, per_layer)
        report.add(verify(suite, options, talk.say), required)
    painted = output is None and colored(color, sys.stdout)
    text = import_module(FORMATS[format_]).render(report, width=width(), color=painted, verbose=verbose)
    if output:
        output.write_text(text, encoding="utf-8")
        talk.say(report.summary())
    else:
        click.echo(text, nl=False, color=True)
    return 0 if report.good else 1


def _suite(path: Path, settings: Settings, names: tuple[str, ...], timeout: float | None) -> Suite:
    """The cases in ``path`` that the options ask for, with the limits that they set. Raises `click.UsageError`."""
    import msgspec

    from porter.verify.cases import read

    suite = read(path, settings)
    known = {case.name: case for case in suite.cases}
    if unknown := [name for name in names if name not in known]:
        raise click.UsageError(f"{path} has no case `{unknown[0]}`{suggestion(unknown[0], known)}")
    cases = [known[name] for name in names or known]
    if timeout:
        cases = [msgspec.structs.replace(case, timeout=timeout) for case in cases]
    return msgspec.structs.replace(suite, cases=tuple(cases))


def _setup(folder: Path | None, talk: Talk) -> None:
    """Build the environment of xla-cpu. Raises Failure."""
    from porter.verify.environments import SetupError, XlaEnvironment

    environment = XlaEnvironment(folder)
    try:
        environment.setup(talk.say)
    except SetupError as error:
        raise Failure(visible(str(error))) from error
    talk.say(f"{environment.folder} is ready: porter verify --backend xla-cpu")
