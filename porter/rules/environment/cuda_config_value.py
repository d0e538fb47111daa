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
device (`flavour: cuda`) counts only there.

## What to do

Where porter does not see what takes the value, change it by hand, together with the code that reads it. For the target
`portable`, leave the value out and let the program ask `torch.accelerator`.
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.index.summary import Mark
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.environment.write import value, write

_KINDS = {"device": "device", "backend": "backend"}  # keys that need evidence, and of what
_UNSEEN = "no device that porter can see takes this value, so porter does not touch it"
_SEVERAL = "it is one of several devices of one process: start one process per core instead"


@rule("PRT802", "cuda-config-value")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Write the value where the program is seen to hand it to a device, or where a framework defines the key."""
    if not site.certain:
        return Dismissed(site, "user-name")
    where = f" (`{site.detail}`)" if site.detail and not site.name.startswith(f"{site.detail}:") else ""
    message = f"`{site.name}`{where} {row.summary}"
    key, _, old = site.name.partition(": ")
    if key not in _KINDS:
        return write(site, row, ctx, value, message)
    mark = _taken(site, _KINDS[key], ctx)
    if mark is not None:
        message += f", taken by {mark.why}"
    why = _UNSEEN if mark is None else _SEVERAL if ":" in old and not old.endswith(":0") and key == "device" else ""
    return write(site, row, ctx, value, message, why)


def _taken(site: Site, kind: str, ctx: Context) -> Mark | None:
    """Where the program hands what stands under this key to a device, or to a process group."""
    return ctx.project.reaches(site.place, kind, "")
