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

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.environment.advise import advise


@rule("PRT804", "cuda-launch-command")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue; in a program a word may be the name of a package: a command has options."""
    package = ctx.source.kind in ("python", "notebook") and ctx.catalogue.find("symbol", site.name) is not None
    if package and f"{site.name} -" not in ctx.text(site.start, site.end):
        return Dismissed(site, "user-name")
    return advise(site, row, ctx)
