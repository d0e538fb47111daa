"""`.is_cuda` asks whether a tensor lies on an NVIDIA GPU, and is false on every other device.

## What CUDA does

Code chooses a kernel or a data path by it.

## On Neuron

`tensor.device.type == "neuron"` says the same. The generated attribute `.is_neuron` exists only where `torch_neuronx`
is installed, so porter does not write it.

## When porter rewrites

The receiver must be a tensor, a module's parameter or the like, or be used as only tensors are. If the code behind the
test has no equivalent on Neuron (a fused kernel with a fallback beside it), the test keeps Neuron out of it, rightly,
and stays.

## Example

```py
if x.is_cuda:
    torch.cuda.synchronize()
```

becomes

```py
if x.device.type == "neuron":
    torch.neuron.synchronize()
```
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Judgement, rule
from porter.rules.placement.anywhere import others
from porter.rules.placement.behind import opened, together
from porter.rules.placement.branches import hold
from porter.rules.placement.presumed import presumed_tensor
from porter.rules.table import by_hand, judgement


@rule("PRT103", "cuda-tensor-test")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge ``x.is_cuda`` by what x is, and by what runs behind it."""
    message = "`.is_cuda` is false on every device but CUDA"
    if site.role in ("store", "delete") or site.receiver is None:
        return Dismissed(site, "user-name")
    group = together(site)
    if held := hold(site, ctx):
        told, note = held.advice, held.note
        return judgement(site, row, ctx, verdict=held.verdict, message=message, advice=told, note=note, group=group)
    if ctx.target.keeps_cuda and (told := others(site, ctx)):
        advice = f"the file tells {told} apart as well: say which devices this is for"
        return judgement(site, row, ctx, verdict=Verdict.MANUAL, message=message, advice=advice, group=group)
    likely = _presumed(site, ctx) if site.kind == "method" else None
    if site.kind == "method" and likely is None:
        why = f"porter does not know the receiver: {site.receiver.why}"
        return by_hand(site, row, ctx, why, message=message, group=group)
    edits = None
    if ctx.edits and site.editable and (likely or site.name.endswith((".Tensor.is_cuda", "Storage.is_cuda"))):
        from porter.rewrite.calls import is_cuda_to

        on = ("cpu", "!=") if ctx.target.keeps_cuda else (ctx.target.device, "==")
        edits = is_cuda_to(ctx.source.text, site, *on)
    verdict = Verdict.AUTO if site.certain and likely is None else Verdict.REVIEW
    why = likely or f"the receiver is known: {site.receiver.why}"
    return judgement(site, row, ctx, verdict=verdict, message=message, note=why, edits=edits, group=group)


def _presumed(site: Site, ctx: Context) -> str | None:
    """What speaks for a tensor where nothing says what is asked, if the answer decides where others go: ``y.cuda()``.

    What else it may decide, a kernel for one, is only seen of tensors that are known.
    """
    goes = any(inner.kind == "device" or inner.name.endswith(".cuda") for inner in opened(site, ctx))
    return presumed_tensor(site, ctx) if goes else None
