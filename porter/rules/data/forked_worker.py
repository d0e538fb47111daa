"""Processes that are forked from one that has the device in use.

## What CUDA does

A forked process cannot use CUDA once its parent has: PyTorch raises as soon as it tries. Workers of a `DataLoader` are
forked on Linux, and do well as long as data sets and collate functions stay on the CPU.

## On Neuron

The same holds of Neuron's runtime, which counts devices and asks for their properties by starting up: a parent that has
asked is a parent that has used it. Start workers before the device is touched, by taking the loader's iterator first,
or start them anew (`"spawn"`), with a data set that can be pickled and a program that begins under
`if __name__ == "__main__":`.

## Example

```py
loader = DataLoader(dataset, num_workers=4, multiprocessing_context="fork")
```

is reported, and so is `torch.multiprocessing.set_start_method("fork")`. Where no start method is named there is nothing
to see: the usual `DataLoader(dataset, num_workers=4)` works as it does on CUDA.
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.table import judge_by_row


@rule("PRT404", "forked-worker")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge by the catalogue: only a start method that is named is told."""
    return judge_by_row(site, row, ctx)
