"""Commands that run, watch or profile a program on NVIDIA GPUs: `nvidia-smi`, `nsys`, `deepspeed`, launch options.

## What CUDA does

`nvidia-smi` lists and watches GPUs, `nsys` and `ncu` profile them, `torchrun --nproc_per_node=gpu` starts one process
for every GPU, `deepspeed` and `accelerate launch --multi_gpu` likewise.

## On Neuron

`neuron-ls`, `neuron-top` and `neuron-monitor` list and watch; `neuron-explorer capture` profiles.
`torchrun --nproc_per_node=neuron` starts one process for every logical core; `gpu` raises "Cuda is not available.".

## Example

```sh
torchrun --nproc_per_node=$(nvidia-smi -L | wc -l) train.py
```

## What to do

Where a script counts GPUs to decide how many processes to start, let `torchrun` count: `--nproc_per_node=auto`. A fixed
number must fit the machine: a trn2.48xlarge has 64 logical cores.
"""

from __future__ import annotations

import re

import msgspec

from porter.catalog.schema import Row
from porter.index.outline import Span
from porter.index.site import Site
from porter.rewrite.lines import drop_line, line_start, stands_alone
from porter.rules.base import Context, Dismissed, Edits, Judgement, TextEdit, rule
from porter.rules.environment.write import in_python, part, write

_PROCESSES = "torchrun --nproc_per_node="
_COUNTS = re.compile(rb"nvidia-smi|cuda\.device_count")
_VARIABLE = re.compile(rb"\$\{?(\w+)")
_ASSIGNED = re.compile(rb"^[ \t]*(?:export[ \t]+|local[ \t]+)?(\w+)=(\$\(.*\)|`.*`)[ \t\r]*(?:#.*)?$", re.MULTILINE)


@rule("PRT804", "cuda-launch-command")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue; in a program a word may be the name of a package: a command has options."""
    package = in_python(site, ctx) and ctx.catalogue.find("symbol", site.name) is not None
    if package and f"{site.name} -" not in ctx.text(site.start, site.end):
        return Dismissed(site, "user-name")
    if any(s.start < site.start < s.end for s in ctx.once(_launches)):
        return Dismissed(site, "part")
    if site.name.startswith(_PROCESSES):  # which launchers before torchrun take, too
        message = f"`{site.name.removeprefix('torchrun ')}` {row.summary}"
        result = write(site, row, ctx, _processes, message)
    else:
        result = write(site, row, ctx, _program)
    count = _count(site, ctx)
    return msgspec.structs.replace(result, group=count) if count and isinstance(result, Judgement) else result


def _launches(ctx: Context) -> list[Site]:
    """The launches of as many processes as a variable says."""
    return [site for site in ctx.sites if site.name.startswith(f"{_PROCESSES}$")]


def _count(site: Site, ctx: Context) -> str | None:
    """The variable for a number of GPUs that the site counts or uses, where nothing but launchers use it."""
    for name, span, uses in ctx.once(_counts):
        if span.holds(site.start) or any(site.start <= use < site.end for use in uses):
            return name
    return None


def _counts(ctx: Context) -> list[tuple[str, Span, list[int]]]:
    """The variables for numbers of GPUs that nothing but launchers use: where they are set, and used."""
    text, found = ctx.source.shown, []
    for counted in _ASSIGNED.finditer(text):
        if not _COUNTS.search(counted[2]):
            continue
        uses = [m.start() for m in _VARIABLE.finditer(text) if m[1] == counted[1]]
        launches = ctx.once(_launches)
        if not uses or not all(any(s.start <= use < s.end for s in launches) for use in uses):
            continue
        if any(counted.start() <= s.start < counted.end() and s.kind != "command" for s in ctx.sites):
            continue
        found.append((counted[1].decode(), Span(counted.start(), counted.end()), uses))
    return found


def _program(site: Site, program: str, ctx: Context) -> Edits | None:
    """Write another program, where it is called without arguments and nobody asks whether it is there.

    Where it counts GPUs for launchers, which now count for themselves, the count goes.
    """
    statement, text = site.statement, ctx.source.shown
    if _count(site, ctx) is not None:
        start = line_start(text, site.start)
        return drop_line(text, start + len(text[start:]) - len(text[start:].lstrip()), site.end)
    if statement is None or statement.siblings > 1 or not stands_alone(text, statement.start, statement.end):
        return None
    return part(site.name)(site, program, ctx)


def _processes(site: Site, option: str, ctx: Context) -> Edits | None:
    """Write another number of processes: in the place of ``gpu``, or of a count of GPUs."""
    text, count = ctx.source.shown, option.removeprefix(_PROCESSES)
    value = site.name.removeprefix(_PROCESSES)
    if not value.startswith("$"):
        return part(value)(site, count, ctx)
    at = text.find(b"$", site.start, site.end)
    variable = _VARIABLE.match(text, at)
    counted = text[at : site.end]
    if variable is not None:
        assigned = re.compile(rb"(?:^|[\s;])" + variable[1] + rb"=([^\n]*)", re.MULTILINE).findall(text)
        counted = assigned[0] if len(assigned) == 1 else b""
    if not _COUNTS.search(counted):
        return None
    start = at - 1 if text[at - 1 : at] == b'"' else at
    return (TextEdit(start, site.end, count),)
