"""The options that commands share, declared once, and the settings they amount to."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from porter.cli.output import Talk, colored, width
from porter.model import TARGETS
from porter.report.view import View
from porter.report.words import file_name, visible

if TYPE_CHECKING:
    from porter.config import Settings

STDIN = "-"


class Failure(click.ClickException):
    """The command cannot go on: usage, configuration or the catalogue is wrong."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        """Write the message to standard error."""
        click.echo("\n".join(map(file_name, f"porter: {self.message}".split("\n"))), err=True)


class Common(NamedTuple):
    """What the shared options say, as given. Lists hold what was given by comma or by repetition."""

    target: tuple[str, ...]
    min_torch: str | None
    config: str | None
    isolated: bool
    no_cache: bool
    cache_dir: str | None
    color: str
    quiet: bool
    verbose: bool
    jobs: int | None
    select: tuple[str, ...]
    ignore: tuple[str, ...]
    extend_select: tuple[str, ...]
    per_file_ignores: tuple[str, ...]
    exclude: tuple[str, ...]
    extend_exclude: tuple[str, ...]
    force_exclude: bool
    stdin_filename: str | None

    def talk(self) -> Talk:
        """Standard error, as these options want it."""
        return Talk(self.color, self.quiet)

    def settings(self, paths: tuple[str, ...], **more: object) -> Settings:
        """Configuration file and options together; ``more`` are settings that one command alone has an option for.

        The file is the nearest one above all of ``paths``. Raises ConfigError.
        """
        if len(self.target) > 1:
            raise click.UsageError("--target: this command takes one target; `porter check` takes several")
        return self.traced_settings(paths, **more)[0]

    def traced_settings(self, paths: tuple[str, ...], **more: object) -> tuple[Settings, dict[str, list[str]]]:
        """The same for several targets, with who has set each key: see `porter.config.load_traced`."""
        from porter.config import load_traced

        given = {
            "target": (self.target[0] if len(self.target) == 1 else self.target) or None,
            "min_torch": self.min_torch,
            "select": _split(self.select) or None,
            "ignore": _split(self.ignore) or None,
            "extend_select": _split(self.extend_select),
            "per_file_ignores": _pairs(self.per_file_ignores) or None,
            "exclude": _split(self.exclude) or None,
            "extend_exclude": _split(self.extend_exclude),
            "force_exclude": self.force_exclude or None,
            "jobs": self.jobs,
            "cache": False if self.no_cache else None,
            "cache_dir": self.cache_dir and str(Path(self.cache_dir).absolute()),
        }
        files = [(self.stdin_filename or ".") if path == STDIN else path for path in paths]
        start = os.path.commonpath([Path(file).absolute() for file in files])
        return load_traced(start, self.config, isolated=self.isolated, overrides={**given, **more})

    def stdin(self, paths: tuple[str, ...]) -> tuple[str, bytes] | None:
        """Name and bytes of standard input where ``paths`` ask for it. Raises `click.UsageError`."""
        if STDIN not in paths:
            if self.stdin_filename:
                raise click.UsageError("--stdin-filename is for input by `-`: add `-` to the arguments")
            return None
        if len(paths) > 1:
            raise click.UsageError("`-` stands alone: standard input is one file")
        return self.stdin_filename or "stdin.py", sys.stdin.buffer.read()

    def view(self, settings: Settings, paths: tuple[str, ...], stdin: tuple[str, bytes] | None = None) -> View:
        """How standard output shows a report."""
        return View(
            settings,
            color=colored(self.color, sys.stdout),
            width=width(),
            paths=paths,
            contents=dict([stdin] if stdin else []),
        )


def _split(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part.strip() for value in values for part in value.split(",") if part.strip())


def choices(values: tuple[str, ...], known: Collection[str]) -> tuple[str, ...]:
    """``blocked,manual`` as its parts, each once. Raises `click.BadParameter` for one that is not ``known``."""
    parts = _split(values)
    for part in parts:
        if part not in known:
            raise click.BadParameter(f"{part!r} is not one of {', '.join(known)}")
    return tuple(dict.fromkeys(parts))


def _pairs(values: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """``tests/*:PRT1,PRT2`` as pattern and codes; a pattern given twice gathers its codes."""
    pairs: dict[str, tuple[str, ...]] = {}
    for value in values:
        pattern, colon, codes = value.rpartition(":")
        if not colon or not pattern:
            raise click.BadParameter(f"{value!r} is not PATTERN:CODE[,CODE...]", param_hint="--per-file-ignores")
        pairs[pattern] = pairs.get(pattern, ()) + _split((codes,))
    return pairs


_OPTIONS = (
    click.option(
        "--target",
        multiple=True,
        metavar="TARGETS",
        callback=lambda _, __, values: choices(values, TARGETS),
        help=f"What to port to: {', '.join(TARGETS)}.  [default: neuron]",
    ),
    click.option(
        "--min-torch", metavar="VERSION", help="The oldest PyTorch that `portable` code is to run with.  [default: 2.6]"
    ),
    click.option("--select", multiple=True, metavar="CODES", help="Rules to use: codes, prefixes or names."),
    click.option("--extend-select", multiple=True, metavar="CODES", help="Rules to use beside those of the settings."),
    click.option("--ignore", multiple=True, metavar="CODES", help="Rules not to use."),
    click.option("--per-file-ignores", multiple=True, metavar="PATTERN:CODES", help="Rules not to use in some files."),
    click.option("--exclude", multiple=True, metavar="PATTERNS", help="Files and folders to leave out."),
    click.option("--extend-exclude", multiple=True, metavar="PATTERNS", help="The same, beside those of the settings."),
    click.option("--force-exclude", is_flag=True, help="Leave them out even where they are named as PATHS."),
    click.option("--config", type=click.Path(exists=True, dir_okay=False), metavar="FILE", help="Settings to use."),
    click.option("--isolated", is_flag=True, help="Ignore all settings files."),
    click.option("--no-cache", is_flag=True, help="Neither read nor write the cache."),
    click.option("--cache-dir", type=click.Path(file_okay=False), metavar="DIR", help="Where the cache is."),
    click.option("-j", "--jobs", type=click.IntRange(min=1), metavar="N", help="Processes to use."),
    click.option("--stdin-filename", metavar="NAME", help="What `-` is called, for settings and reports."),
    click.option(
        "--color", type=click.Choice(("auto", "always", "never")), default="auto", help="Colours.  [default: auto]"
    ),
    click.option("-q", "--quiet", is_flag=True, help="Nothing on standard error but errors."),
    click.option("-v", "--verbose", is_flag=True, help="Show also what needs no change, and why."),
)


def plain_failures(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a command say in one line what is wrong with its settings or with the user's catalogue."""

    @functools.wraps(function)
    def wrapper(**values: Any) -> Any:
        try:
            return function(**values)
        except ValueError as error:  # as both are
            from porter.catalog import CatalogueError
            from porter.config import ConfigError

            if isinstance(error, (ConfigError, CatalogueError)):
                raise Failure(visible(str(error))) from error
            raise

    return wrapper


def common(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command PATHS and the shared options; it gets them as ``paths`` and ``common``."""

    @functools.wraps(function)
    @plain_failures
    def wrapper(**values: Any) -> Any:
        shared = Common(**{name: values.pop(name) for name in Common._fields})
        return function(common=shared, **values)

    for option in reversed(_OPTIONS):
        wrapper = option(wrapper)
    argument = click.argument(
        "paths", nargs=-1, type=click.Path(exists=True, allow_dash=True), metavar="[PATHS]...", callback=_here
    )
    return argument(wrapper)


def _here(_: click.Context, __: click.Parameter, paths: tuple[str, ...]) -> tuple[str, ...]:
    return paths or (".",)
