"""Configuration values that choose CUDA: `device: cuda`, `accelerator: gpu`, `backend: nccl`, `fp16: true`.

## What CUDA does

A program reads its device, backend or precision from YAML, JSON or TOML, or from its command line, and hands it to
PyTorch, Accelerate, DeepSpeed or Lightning.

## On Neuron

The device is `neuron` and so is the process group's backend; mixed precision is bfloat16, which needs no loss scaling;
Accelerate's distributed type is `MULTI_NEURON`. Code that porter has rewritten still fails while its configuration says
`cuda`, and configurations are where ports are forgotten.

## Example

```yaml
model:
  device: cuda
```

becomes `device: neuron` where the program is seen to hand `device` to PyTorch. A value `cuda` under a key that names no
device (`flavour: cuda`) counts only there. PyTorch has no device `gpu`: a value that the program compares with `"gpu"`
stays.

## What to do

Where porter does not see what takes the value, change it by hand, together with the code that reads it. So do with
classes and functions that a file names for the program to import (`_target_`, `_component_`, `class_path`): their
arguments stand beside them. For the target `portable`, leave the value out and let the program ask `torch.accelerator`.
"""

from __future__ import annotations

import re

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.environment.write import instead, value, write
from porter.rules.table import judgement

_TAKERS = {"device": "device", "backend": "process group"}  # keys that need evidence, and of what
_UNSEEN = "no {} that porter can see takes this value, so porter does not touch it"
_OWN_NAME = "left as it is: `gpu` is the program's own name, which it compares the value with"
_SEVERAL = "it counts on several devices in one process: start one process per core instead"
_LISTED = "name one core (`0`): a process drives one, and a launcher starts a process for each of more"
_LIST = re.compile(r"\[?\d+(?:,\s*\d+)+,?\]?")
_SCRIPT = re.compile(rb"\w[\w/-]*\.py\b")  # that a command runs
_FOLLOWS = re.compile(r"\$\{\.*[a-z]\w*(?:\.\w+)+\}")  # another setting, as OmegaConf writes it: `${trainer.devices}`
_NEXT = re.compile(rb"[\"',\\\s-]+cuda:\d")  # behind a device: another of the list, or of the option's values


@rule("PRT802", "cuda-config-value")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Write the value where the program is seen to hand it to a device, or where a framework defines the key."""
    if site.kind == "symbol":
        return instead(site, row, ctx)
    if not site.certain:
        return Dismissed(site, "user-name")
    if site.statement is None and _FOLLOWS.fullmatch(site.name.partition(": ")[2]):
        return Dismissed(site, "agnostic")
    row, declared = _declared(site, row, ctx)
    message = f"`{_written(site, ctx)}` {row.summary}{declared}"
    key, _, old = site.name.partition(": ")
    if row.rule == "data-parallel" and _LIST.fullmatch(old) and not ctx.target.keeps_cuda:
        return judgement(site, row, ctx, message=message, advice=_LISTED)
    if key not in _TAKERS:
        return write(site, row, ctx, value, message)
    if old == "gpu" and ctx.project.reaches(site.place, "gpu", "") is not None:
        return judgement(site, row, ctx, verdict=Verdict.PORTABLE, advice=_OWN_NAME, message=message, note=None)
    mark = ctx.project.reaches(site.place, key, "")
    if mark is None:
        return write(site, row, ctx, value, message, _UNSEEN.format(_TAKERS[key]))
    numbered = key == "device" and ":" in old
    several = numbered and (not old.endswith(":0") or _NEXT.match(ctx.source.text, site.end))
    return write(site, row, ctx, value, f"{message}, taken by {mark.why}", _SEVERAL if several else "")


def _written(site: Site, ctx: Context) -> str:
    """The setting as its file has it: ``trainer.accelerator: gpu``, or ``--fp16 True``."""
    text = " ".join(ctx.source.shown[site.start : site.end].decode(errors="replace").split())
    return text if text.startswith(site.detail) else f"{site.detail}: {text}"


def _declared(site: Site, row: Row, ctx: Context) -> tuple[Row, str]:
    """The row for a key of the program's own, and where the program declares it.

    Who declares `bf16` as well has both switches that Transformers has.
    """
    own = ctx.catalogue.find("config", f"declared {site.name}")
    path = ctx.project.declared(site.place) if own is not None else None
    if own is None or path is None or (site.name == "fp16: true" and ctx.project.declared("k:bf16") is not None):
        return row, ""
    command = site.statement
    script = _SCRIPT.search(ctx.source.shown, command.start, command.end) if command is not None else None
    if script is not None and not f"/{path}".endswith(f"/{script[0].decode()}"):
        return own, ""  # another program declares it, too
    return own, f", declared in `{path}`"
