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

is reported, and `device: neuron` is the advice. A value `cuda` under a key that names no device (`flavour: cuda`)
counts only where the program hands that key to a device.

## What to do

Change the value by hand, together with the code that reads it: porter does not rewrite configurations yet. For the
target `portable`, leave the value out and let the program ask `torch.accelerator`.
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.environment.advise import advise


@rule("PRT802", "cuda-config-value")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Report what the row says, unless nothing ties the key to a device."""
    if not site.certain:
        return Dismissed(site, "user-name")
    where = f" (`{site.detail}`)" if site.detail and not site.name.startswith(f"{site.detail}:") else ""
    return advise(site, row, ctx, f"`{site.name}`{where} {row.summary}")
