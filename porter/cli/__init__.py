"""The command line. Commands are imported when used: ``porter --version`` needs none of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import click

import porter

FOUND, FAILED = 1, 2  # exit statuses beside 0; see `docs/architecture.md`
INTERRUPTED, BROKEN_PIPE = 128 + 2, 128 + 13  # as a shell reports SIGINT and SIGPIPE

COMMANDS = ("scan", "check", "rewrite", "run", "verify", "explain", "lsp")


class Commands(click.Group):
    """A group whose commands live in modules of their own, one each."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order in which one uses them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import a command. None where there is none of that name."""
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"porter.cli.{name}").command
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the chosen command; end quietly where nobody reads its output any more."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Whatever is still buffered goes nowhere, else the interpreter complains when it flushes.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(BROKEN_PIPE) from None


@click.group(
    "porter",
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with `porter scan`.",
)
@click.version_option(porter.__version__, "-V", "--version", prog_name="porter", message="%(prog)s %(version)s")
def cli() -> None:
    """Move PyTorch code from NVIDIA GPUs to AWS Trainium: find what ties it to CUDA, rewrite it, keep it out."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status. ``arguments`` default to the process's own."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not where a test or a notebook has put its own
            stream.reconfigure(errors="backslashreplace")
    try:
        status = cli.main(arguments if arguments is None else list(arguments), standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except Exception as error:
        _confess(error)
        return FAILED
    return status if isinstance(status, int) else 0


def _confess(error: Exception) -> None:
    """Say that porter itself failed, where, and how to report it."""
    import traceback

    from porter.report.words import visible

    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "unknown place"
    click.echo(visible(f"porter: internal error: {type(error).__name__}: {error} ({place})"), err=True)
    if os.environ.get("PORTER_TRACEBACK"):
        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    else:
        advice = "Run again with PORTER_TRACEBACK=1 and report what it prints."
        click.echo(f"This is a defect of porter, not of your code. {advice}", err=True)
