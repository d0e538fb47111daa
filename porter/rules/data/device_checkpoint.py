"""`torch.save` writes tensors as they are: with the device in the file that they were on.

## What CUDA does

`torch.save(model.state_dict(), path)` writes CUDA tensors. Where there is no GPU, `torch.load` needs `map_location`.

## On Neuron

The native backend saves and loads likewise: files with Neuron tensors need `torch_neuronx` to load. Over PyTorch/XLA
(Trn1, Inf2) AWS says to save with `xm.save`, which copies everything to the CPU first; of several processes only one
writes.

## When porter rewrites

Only for the target `xla`, where `torch.save` is given what `xm.save` takes, an object and a place, and where the
function speaks of a model, its state or a checkpoint. Whether other data are on the device, a person has to say. A file
with the rank in its name is each process's own, which `xm.save` writes only with `master_only=False`. Tests that speak
of no device save what is on the CPU, and so do scripts that convert what they load with `map_location="cpu"`.

## Example

```py
torch.save(model.state_dict(), "model.pt")
```

becomes

```py
xm.save(model.state_dict(), "model.pt")
```
"""

from __future__ import annotations

import ast
import re

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.counterpart import judge_counterpart
from porter.rules.table import by_hand
from porter.rules.uses import has_uses, is_cpu_test

_STATE = re.compile(r"state_dict|checkpoint|ckpt|model|\bstates?\b", re.I)
_ON_CPU = re.compile(r"torch\.load\(.*map_location=(?:torch\.device\()?'cpu'")
_ENTRY = re.compile(r"(\w+)(?:\[[^\[\]]+\])*")
_OWN = re.compile(r"rank|ordinal|shard|worker|process_index")


@rule("PRT403", "device-checkpoint")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge a call by the row's signature, and by what its function says of what is saved, and where."""
    if has_uses(site, ctx) or is_cpu_test(site, ctx):
        return Dismissed(site, "part" if has_uses(site, ctx) else "agnostic")
    body = (ctx.outline().function(site.start) or ctx.outline().tree).body
    if _is_as_loaded(site, body, ctx):
        return Dismissed(site, "agnostic")
    result = judge_counterpart(site, row, ctx)
    if isinstance(result, Dismissed) or not result.edited or site.call is None:
        return result
    if not any(_STATE.search(ast.unparse(statement)) for statement in body):
        return by_hand(site, row, ctx, "nothing shows that what is saved is on the device")
    place = site.call.get("f", 1)
    if place is not None and _OWN.search(_with_origins(ctx.text(place.start, place.end), body)):
        return by_hand(site, row, ctx, "each process writes a file of its own: pass `master_only=False`")
    return result


def _is_as_loaded(site: Site, body: list[ast.stmt], ctx: Context) -> bool:
    """Whether what is saved is nothing but what the function has loaded to the CPU, or an entry of it."""
    saved = site.call.get("obj", 0) if site.call is not None else None
    entry = _ENTRY.fullmatch(ctx.text(saved.start, saved.end)) if saved is not None else None
    name = entry[1] if entry is not None else ""
    made = [n for statement in body for n in ast.walk(statement) if isinstance(n, ast.Assign)]
    values = [ast.unparse(n.value) for n in made if any(isinstance(t, ast.Name) and t.id == name for t in n.targets)]
    return bool(values) and all(_ON_CPU.match(value) for value in values)


def _with_origins(place: str, body: list[ast.stmt]) -> str:
    """An expression, and what the names in it are made of."""
    made = [n for statement in body for n in ast.walk(statement) if isinstance(n, ast.Assign)]
    values = [(t.id, ast.unparse(n.value)) for n in made for t in n.targets if isinstance(t, ast.Name)]
    found, pending = "", [place]
    while pending:
        text = pending.pop()
        found += f"{text}\n"
        names = {n.id for n in ast.walk(ast.parse(f"({text})")) if isinstance(n, ast.Name)}
        pending += [value for name, value in values if name in names and value not in found]
    return found
