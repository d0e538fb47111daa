"""Requests for NVIDIA GPUs made to Kubernetes, Slurm, PBS, Ray or a cloud: `nvidia.com/gpu`, `--gres=gpu:8`.

## What CUDA does

The scheduler places the job on a machine with that many GPUs and hands them to it.

## On Neuron

The Neuron device plugin for Kubernetes offers `aws.amazon.com/neuron` (chips) and `aws.amazon.com/neuroncore`. A job
takes whole Trn2 or Trn3 instances in most set-ups; Slurm knows no `gpu` there. Ray calls the cores `neuron_cores`.

## Example

```yaml
resources:
  limits:
    nvidia.com/gpu: 8
```

## What to do

Count in chips or cores, not GPUs: one Trn2 chip has four logical cores, and each of them is one rank.
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.environment.write import named, write
from porter.rules.table import judge_by_row


@rule("PRT805", "cuda-cluster-resource")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue, and show the amount asked for."""
    if site.kind == "argument":
        return judge_by_row(site, row, ctx)
    amount = f" (`{site.detail}`)" if site.detail and site.name.startswith("-") else ""
    return write(site, row, ctx, named, f"`{site.name}`{amount} {row.summary}")
