"""``porter run``: execute a program with a Neuron device, the real one or the simulated."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from porter.cli.options import Failure
from porter.cli.output import colored
from porter.report.words import visible

PIPED_WIDTH = 100  # columns of a report that no terminal shows


class Program(click.Command):
    """A command whose options end where the program's name stands, as those of `python` do."""

    allow_interspersed_args = False


@click.command("run", cls=Program, short_help="Run a program with a Neuron device, real or simulated.")
@click.argument("program", metavar="SCRIPT")
@click.argument("arguments", metavar="[ARGS]...", nargs=-1, type=click.UNPROCESSED)
@click.option("-m", "as_module", is_flag=True, help="SCRIPT is the name of a module, as for python -m.")
@click.option(
    "--device",
    type=click.Choice(("auto", "sim", "neuron")),
    default="auto",
    help="The simulated device, that of torch_neuronx, or that if it finds one.  [default: auto]",
)
@click.option("--cores", type=click.IntRange(min=1), default=2, help="Cores to simulate.  [default: 2]")
@click.option("--policy", "policies", multiple=True, metavar="NAME=MODE", help="How Neuron's own ways are simulated.")
@click.option(
    "--auto-cast",
    type=click.Choice(("none", "matmult")),
    default="none",
    help="What the simulated compiler rounds to bfloat16.  [default: none]",
)
@click.option(
    "--trace",
    type=click.Choice(("text", "json", "none")),
    default="text",
    help="How to tell on standard error what ran on the device.  [default: text]",
)
@click.option(
    "--trace-file",
    type=click.Path(dir_okay=False, writable=True),
    metavar="FILE",
    help="Write that to a file instead; with {rank} in its name, every rank writes one.",
)
@click.option(
    "--color", type=click.Choice(("auto", "always", "never")), default="auto", help="Colours.  [default: auto]"
)
@click.option("-q", "--quiet", is_flag=True, help="Nothing on standard error but what the program failed of.")
@click.option("-v", "--verbose", is_flag=True, help="Show all that ran on the device.")
def command(
    program: str,
    arguments: tuple[str, ...],
    as_module: bool,
    device: str,
    cores: int,
    policies: tuple[str, ...],
    auto_cast: str,
    trace: str,
    trace_file: str | None,
    color: str,
    quiet: bool,
    verbose: bool,
) -> None:
    """Execute SCRIPT with ARGS under this Python, with a device `neuron`: without hardware, a simulated one.

    \b
    porter run train.py --epochs 1
    porter run -m package.train
    torchrun --nproc_per_node=2 -m porter run train.py
    porter run -m torch.distributed.run --nproc_per_node=neuron train.py

    This runs the program: all that it does, it does. Standard output, exit status and traceback are its own.
    Where it still asks for CUDA, porter says which rule has the remedy. At the end it tells on standard
    error what ran on the device.

    Exit status: the program's; 2 where it cannot be started.
    """
    from porter.launch.device import LaunchError, choose
    from porter.launch.plan import Plan
    from porter.launch.start import start

    modes = _modes(policies)
    try:
        chosen = choose(device)
    except LaunchError as error:
        raise Failure(visible(str(error))) from error
    plan = Plan(
        pid=os.getpid(),
        simulated=chosen.simulated,
        about=chosen.about,
        why=chosen.why,
        here=str(Path.cwd()),
        cores=cores,
        policies=modes,
        auto_cast=auto_cast,
        trace=trace,
        trace_file=trace_file and str(Path(trace_file).absolute()),
        color=colored(color, sys.stderr),
        columns=_columns(),
        quiet=quiet,
        verbose=verbose,
    )
    start(plan, ["-m", program, *arguments] if as_module else [program, *arguments])


def _modes(policies: tuple[str, ...]) -> dict[str, str]:
    """``NAME=MODE`` as name and mode. Raises `click.BadParameter`."""
    modes = {}
    for policy in policies:
        name, equals, mode = policy.partition("=")
        if not (name and equals and mode):
            raise click.BadParameter(f"{policy!r} is not NAME=MODE", param_hint="--policy")
        modes[name] = mode
    return modes


def _columns() -> int:
    """The width of what standard error is shown on."""
    if columns := os.environ.get("COLUMNS", ""):
        return int(columns) if columns.isdecimal() else PIPED_WIDTH
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        return PIPED_WIDTH
