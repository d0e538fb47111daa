"""CUDA graphs: capture once, replay often.

## What CUDA does

`torch.cuda.CUDAGraph`, `torch.cuda.graph` and `make_graphed_callables` record kernels and replay them without launch
cost.

## On Neuron

No equivalent. `torch.compile(model, backend="neuron")` serves the purpose: take capture and replay out. Annotations
and `isinstance` do no harm: the class exists in every build of PyTorch, and nothing is ever one.

## When porter rewrites

A capture runs nothing, and each replay runs what was captured on the tensors that were captured: the body of the
capture takes the place of each replay, and graph and capture go. Only where all of that is in sight in one function,
module or class, where nothing reads what the body binds before the first replay, and where gradients are cleared in
the body, for a graph overwrites them. `make_graphed_callables(model, samples)` becomes `model`.

## Example

```py
graph = torch.cuda.CUDAGraph()
with torch.cuda.graph(graph):
    output = model(static_input)
for batch in loader:
    static_input.copy_(batch)
    graph.replay()
```

becomes

```py
for batch in loader:
    static_input.copy_(batch)
    output = model(static_input)
```
"""

from __future__ import annotations

from porter.catalog.schema import Row
from porter.index.site import Call, Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Edits, Judgement, rule
from porter.rules.runtime.capture import without_graph
from porter.rules.table import judgement, subject
from porter.rules.uses import asks_class, judge_use


@rule("PRT204", "cuda-graph")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Judge what captures and replays."""
    if asks_class(site, ctx):
        return Dismissed(site, "agnostic")
    if not ctx.edits or ctx.answer(row).verdict is not Verdict.BLOCKED or site.call is None or ctx.in_test():
        return judge_use(site, row, ctx)  # a test of a graph asserts what the capture does
    if site.name.endswith(".make_graphed_callables"):
        return _plain_callables(site, site.call, row, ctx)
    found = without_graph(site.start, ctx)
    if found is None:
        return judge_use(site, row, ctx)
    made, edits = found
    message = f"{subject(site)} {row.summary}; each replay becomes what was captured"
    advice = f'compile what runs again and again: `torch.compile(model, backend="{ctx.target.compiler}")`'
    group = f"graph:{made.start}"
    return judgement(site, row, ctx, verdict=Verdict.REVIEW, message=message, advice=advice, edits=edits, group=group)


def _plain_callables(site: Site, call: Call, row: Row, ctx: Context) -> Judgement | Dismissed:
    """``make_graphed_callables(model, samples)`` gives what computes as ``model`` does: it is taken in its place."""
    plain = call.get("callables", 0)
    if plain is None or call.unpacked or any(call.start < s.start < plain.end for s in ctx.sites if s is not site):
        return judge_use(site, row, ctx)
    text = ctx.text(plain.start, plain.end)
    edits: Edits | None = ctx.edit(call.start, call.end, text)
    statement = site.statement
    if statement is not None and statement.alone and ctx.text(statement.start, call.start).rstrip() == f"{text} =":
        from porter.rewrite.calls import delete_statement

        gone = delete_statement(ctx.source.text, statement.start, statement.end, statement.siblings)
        edits = (gone,) if gone is not None else edits
    return judgement(site, row, ctx, verdict=Verdict.REVIEW, edits=edits)
