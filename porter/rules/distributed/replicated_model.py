"""`DistributedDataParallel` reduces gradients in its backward pass; over PyTorch/XLA the step of the optimizer does.

## What CUDA does

The wrapper sends rank 0's weights to all ranks when it is made, and averages gradients while the backward pass runs.

## On Neuron

The native backend has the wrapper: nothing changes. With torch-neuronx over PyTorch/XLA (Trn1, Inf2) it goes: weights
are sent by `xm.broadcast_master_param(model)`, and `xm.optimizer_step(optimizer)` averages gradients before it steps.
With one process both do nothing but step.

## When porter rewrites

Only for the target `xla`, where the file that wraps the model is the one whose optimizers step: a wrapper that is gone
without a step that reduces would train every rank by itself. Where gradients are clipped, unscaled or read before the
step, they are averaged before that, by `xm.reduce_gradients(optimizer)`. `model.module` becomes `model`, and
`model.no_sync()` a `contextlib.nullcontext()`: gradients are only ever reduced at the step.

Buffers (the running statistics of batch normalisation) are no longer sent from rank 0 at every forward pass, and the
keys of `model.state_dict()` lose their `module.`.

## Example

```py
model = DistributedDataParallel(model, device_ids=[rank])
...
    loss.backward()
    optimizer.step()
```

becomes

```py
xm.broadcast_master_param(model)
...
    loss.backward()
    xm.optimizer_step(optimizer)
```
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import takewhile

from porter.catalog.schema import Row
from porter.index.outline import Span, dotted
from porter.index.site import Site
from porter.model import Verdict
from porter.rules.base import Context, Dismissed, Edits, Judgement, TextEdit, named, rule
from porter.rules.table import by_hand, judge_by_row, judgement
from porter.rules.uses import asks_class, has_uses

_XM = "torch_xla.core.xla_model"
# What reads gradients between the backward pass and the step.
_READS = re.compile(rb"clip_grad|unscale_\(|\.grad\b|grad_norm")
_BACKWARD = re.compile(rb"\bbackward\(")
_OTHERS = frozenset({"join", "register_comm_hook"})
# Methods that return the module they are called on: `DDP(model).to(device)` is the wrapper still.
_ITSELF = frozenset({"to", "cuda", "train", "eval", "float", "double", "half", "bfloat16", "requires_grad_"})


@rule("PRT507", "replicated-model")
def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
    """Take the wrapper away together with what it did, where all of that is in this file."""
    if ctx.answer(row).verdict is Verdict.PORTABLE or site.call is None:
        return Dismissed(site, "part" if has_uses(site, ctx) or asks_class(site, ctx) else "agnostic")
    if not ctx.edits:
        return judge_by_row(site, row, ctx)
    wrapper = _Wrapper.find(site, ctx)
    if wrapper is None:
        return by_hand(site, row, ctx, "porter removes a wrapper only where it is assigned to a variable")
    if not wrapper.optimizers:
        why = (
            "no optimizer steps in this file that porter can see: without a step that reduces, every rank trains alone"
        )
        return by_hand(site, row, ctx, why)
    if (other := wrapper.other_use()) is not None:
        return by_hand(site, row, ctx, f"`{other}` has no counterpart")
    elsewhere = ", ".join(f"line {line}" for line in wrapper.elsewhere())
    note = f"See what `.module` is in {elsewhere}" if elsewhere else ""
    return judgement(site, row, ctx, note=note, edits=wrapper.edits())


class _Wrapper:
    """``name = DDP(model, ...)`` and what hangs together with it."""

    def __init__(self, site: Site, call: ast.Call, statement: ast.Assign, ctx: Context) -> None:
        self._site, self._call, self._statement, self._ctx = site, call, statement, ctx
        self._outline = ctx.outline()
        self.name = dotted(statement.targets[0]) or ""
        self.optimizers = [s for s in ctx.sites if s.name == "optimizer.step" and s.kind == "step"]

    @classmethod
    def find(cls, site: Site, ctx: Context) -> _Wrapper | None:
        """The wrapper made at the site, if it is the whole value of a variable, and the model comes first."""
        statement = ctx.outline().around(site.start)[-1] if ctx.outline().around(site.start) else None
        match statement:
            case ast.Assign(targets=[target], value=value) if dotted(target) is not None:
                assert site.call is not None
                call = _unchained(value)
                if call is not None and call.args and ctx.outline().span(call) == Span(site.call.start, site.call.end):
                    return cls(site, call, statement, ctx)
        return None

    def edits(self) -> Edits:
        """All that changes, in order."""
        found = {*self._removed(), *self._members()}
        for optimizer in self.optimizers:
            found.update(self._reduced(optimizer))
        return tuple(sorted(found))

    def other_use(self) -> str | None:
        """A use of the wrapper that only the wrapper has."""
        return next((ast.unparse(n) for n in self._uses() if n.attr in _OTHERS), None)

    def elsewhere(self) -> list[int]:
        """Lines in which other functions read the attribute ``module`` of something."""
        mine = set(self._uses())
        nodes = (node for node in self._outline.nodes if isinstance(node, ast.Attribute))
        return sorted({node.lineno for node in nodes if node.attr == "module" and node not in mine})

    def _removed(self) -> Iterator[TextEdit]:
        """The wrapper gives way to the model, and the weights are sent."""
        text = self._ctx.source.text
        span, model = self._outline.span(self._statement), self._outline.span(self._call.args[0])
        target = self._outline.span(self._statement.targets[0])
        send = f"{named(f'{_XM}.broadcast_master_param')}({self.name})"
        alone = self._call is self._statement.value
        if alone and text[model.start : model.end] == text[target.start : target.end]:
            yield TextEdit(span.start, span.end, send)
            return
        line = text[text.rfind(b"\n", 0, span.start) + 1 : span.start].decode()
        indent = line if not line.strip() else ""
        call = self._outline.span(self._call)
        yield TextEdit(call.start, model.start, "")
        yield TextEdit(model.end, call.end, "")
        yield TextEdit(span.end, span.end, f"\n{indent}{send}" if indent or not line else f"; {send}")

    def _uses(self) -> Iterator[ast.Attribute]:
        """Attributes of the wrapper: of a variable in its function, of an attribute or a global in the file."""
        function = self._outline.function(self._site.start)
        local = function is not None and "." not in self.name
        for node in ast.walk(function if local and function is not None else self._outline.tree):
            if isinstance(node, ast.Attribute) and dotted(node.value) == self.name:
                yield node

    def _members(self) -> Iterator[TextEdit]:
        for node in self._uses():
            span, owner = self._outline.span(node), self._outline.span(node.value)
            if node.attr == "module":
                choice = self._choice_of(node)
                if choice is None:
                    yield TextEdit(owner.end, span.end, "")
                else:
                    yield TextEdit(choice.start, choice.end, self.name)
            elif node.attr == "no_sync":
                yield TextEdit(span.start, span.end, named("contextlib.nullcontext"))

    def _choice_of(self, unwrapped: ast.Attribute) -> Span | None:
        """The whole of ``model.module if ddp else model``, where both are the model."""
        span = self._outline.span(unwrapped)
        around = self._outline.expressions(span.start, span.end)
        match around[-2:]:
            case [ast.IfExp(body=body, orelse=orelse) as choice, _] if {dotted(body), dotted(orelse)} == {
                self.name,
                dotted(unwrapped),
            }:
                return self._outline.span(choice)
        return None

    def _reduced(self, step: Site) -> Iterator[TextEdit]:
        """The step as one that averages gradients, or the average in front of what reads them."""
        optimizer, call = step.receiver, step.call
        assert optimizer is not None and call is not None
        name = self._ctx.text(optimizer.start, optimizer.end)
        reader = self._reader(step)
        if reader is None and optimizer.start == call.start:
            yield TextEdit(call.start, call.end, f"{named(f'{_XM}.optimizer_step')}({name})")
            return
        at = self._outline.span(reader or self._outline.around(call.start)[-1]).start
        line = self._ctx.source.text.rfind(b"\n", 0, at) + 1
        indent = self._ctx.text(line, at)
        reduce = f"{named(f'{_XM}.reduce_gradients')}({name})"
        yield TextEdit(line, line, f"{indent}{reduce}\n") if not indent.strip() else TextEdit(at, at, f"{reduce}; ")

    def _reader(self, step: Site) -> ast.AST | None:
        """The first statement between the last backward pass and the step, in its block, that reads gradients."""
        call, reader = step.call, None
        assert call is not None
        here = self._outline.around(call.start)[-1]
        for statement in takewhile(lambda s: s is not here, self._outline.block(call.start)):
            span = self._outline.span(statement)
            if _BACKWARD.search(self._ctx.source.text, span.start, span.end):
                reader = None
            elif reader is None and _READS.search(self._ctx.source.text, span.start, span.end):
                reader = statement
        return reader


def _unchained(value: ast.expr) -> ast.Call | None:
    """The call that makes what a chain of methods hands on: ``DDP(model)`` in ``DDP(model).to(device)``."""
    match value:
        case ast.Call(func=ast.Attribute(value=ast.Call() as inner, attr=method)) if method in _ITSELF:
            return _unchained(inner)
    return value if isinstance(value, ast.Call) else None
