"""Sites of what matters to a lazy device: see `porter.index.loops` and `porter.index.moves`."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator

from porter.index.infer import Inference
from porter.index.loops import OPTIMIZER, Loops, Owner, Step
from porter.index.moves import Early, Tie, early_optimizers, ties
from porter.index.scope import Binder, Scope
from porter.index.site import Call, Receiver, Site, Statement
from porter.sources.source import Source

# Packages whose trainers and accelerators mark the steps of a lazy device themselves.
_FRAMEWORKS = frozenset({"accelerate", "deepspeed", "lightning", "pytorch_lightning", "transformers"})
_VARIABLES = frozenset({"value", "item", "iter", "with", "param"})  # kinds of definitions


class Known:
    """What inference says of expressions, by the function that they stand in."""

    def __init__(self, binder: Binder, inference: Inference) -> None:
        self._binder = binder
        self._inference = inference

    def type_of(self, node: ast.expr, owner: Owner) -> str:
        """See `porter.index.loops.Facts`."""
        scope = self._scope(owner)
        known = self._inference.infer(node, scope)
        if known is None:  # an optimizer that a function of the program hands on is one still
            given = (k for k in self._inference.given(node, scope) if k is not None)
            known = next((k for k in given if self._inference.types.canonical(k.type) == OPTIMIZER), None)
        return self._inference.types.canonical(known.type) if known is not None else ""

    def name_of(self, node: ast.expr, owner: Owner) -> str:
        """See `porter.index.loops.Facts`."""
        reference = self._inference.reference(node, self._scope(owner))
        return reference.qualified if reference is not None else ""

    def is_variable(self, node: ast.Name, owner: Owner) -> bool:
        """See `porter.index.loops.Facts`."""
        if node.id in ("self", "cls"):
            return node.id == "self"
        binding = self._scope(owner).lookup(node.id) if not hasattr(builtins, node.id) else None
        return binding is not None and all(d.kind in _VARIABLES for d in binding.definitions)

    def is_framework(self, qualified: str) -> bool:
        """See `porter.index.loops.Facts`."""
        return qualified.removeprefix("result:").partition(".")[0] in _FRAMEWORKS

    def bases(self, node: ast.ClassDef) -> list[str]:
        """See `porter.index.loops.Facts`."""
        scope = self._binder.scopes[node]
        found = (self._inference.reference(base, scope.parent or scope) for base in node.bases)
        return [reference.qualified for reference in found if reference is not None]

    def _scope(self, owner: Owner) -> Scope:
        return self._binder.scopes.get(owner, self._binder.root)


def step_sites(tree: ast.Module, source: Source, binder: Binder, inference: Inference) -> Iterator[Site]:
    """The steps of a file, and what its optimizers step, as sites of kind ``step``.

    A step's ``statement`` is its last, its ``receiver`` the loader; ``detail`` says why its end is not known. Of
    ``optimizer.step`` the receiver is the optimizer. Of what comes before a model is moved, the ``statement`` is the
    move and the ``receiver`` the model; ``detail`` is the statement that ties weights again.
    """
    known = Known(binder, inference)
    found = Loops(tree, known)
    place = _Places(source)
    for early in early_optimizers(tree, known):
        yield place.early(early)
    for tie in ties(tree, known):
        yield place.tie(tie)
    for step in found.steps:
        yield place.step(step)
    for stepped in found.optimizers:
        start, end = place.span(stepped.call)
        optimizer = Receiver(*place.span(stepped.optimizer), None, "", ast.unparse(stepped.optimizer))
        call = Call(start, end)
        yield Site("step", "optimizer.step", start, end, stepped.call.lineno, "call", call=call, receiver=optimizer)


class _Places:
    def __init__(self, source: Source) -> None:
        self._starts = source.line_starts

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        assert node.end_lineno is not None and node.end_col_offset is not None
        start = self._starts[node.lineno - 1] + node.col_offset
        return start, self._starts[node.end_lineno - 1] + node.end_col_offset

    def early(self, early: Early) -> Site:
        start, end = self.span(early.optimizer)
        move = Statement(*self.span(early.move), type(early.move).__name__)
        model = Receiver(start, end, None, early.model)
        apart = "something stands between them" if early.between else ""
        line = early.optimizer.lineno
        return Site("step", "early optimizer", start, end, line, receiver=model, statement=move, detail=apart)

    def tie(self, tie: Tie) -> Site:
        start, end = self.span(tie.statement)
        move = Statement(*self.span(tie.move), type(tie.move).__name__) if tie.move is not None else None
        return Site("step", "tied weights", start, end, tie.statement.lineno, statement=move, detail=tie.again)

    def step(self, step: Step) -> Site:
        start, end = self.span(step.node)
        if isinstance(step.node, ast.stmt):
            end = self.span(step.node.iter if isinstance(step.node, ast.For) else step.node)[1]  # a loop's header
            end = min(end, self.span(step.node.body[0])[0])  # type: ignore[attr-defined]
        last = Statement(*self.span(step.last), type(step.last).__name__) if step.last is not None else None
        loader = None
        if step.loader is not None:
            loader = Receiver(*self.span(step.loader), None, "a `DataLoader`")
        return Site(
            kind="step",
            name=f"{step.kind} step",
            start=start,
            end=end,
            line=step.node.lineno,
            role="step",
            receiver=loader,
            statement=last,
            in_loop=True,
            detail=step.why,
        )
