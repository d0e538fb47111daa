"""What the second pass over a file finds, and where it stands as it does: scope, guards, statement, loop."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from functools import cache, lru_cache

import msgspec

from porter.index import guards
from porter.index.infer import Inference
from porter.index.names import Reference
from porter.index.order import Span
from porter.index.scope import Binder, Scope
from porter.index.site import Guard
from porter.index.values import Flow, Use
from porter.index.watch import Watch
from porter.sources.source import Source

WORD = re.compile(r"cuda|nccl|cudnn|nvtx", re.I)
_TELLS = re.compile(rb"isinstance\(|is_tensor\(")


@lru_cache(maxsize=4096)
def _wordy(name: str) -> bool:
    """Whether a name mentions CUDA."""
    return WORD.search(name) is not None


class Moment(msgspec.Struct, frozen=True):
    """Where the visitor stood when it met a node."""

    scope: Scope
    statement: ast.AST
    siblings: int
    guards: tuple[Guard, ...]
    in_loop: bool
    parent: str
    role: str
    call: ast.Call | None
    fstring: ast.JoinedStr | None


class Found(msgspec.Struct, frozen=True):
    """A site in the making: names of methods wait until the whole file has been seen."""

    kind: str
    name: str
    node: ast.AST
    moment: Moment
    alias: ast.AST | None = None
    certain: bool = True
    use: Use | None = None
    detail: str = ""
    receiver: ast.expr | None = None


class Collector:
    """Collects `Found`s, edges and marks; `porter.index.expressions` and `visit` lead it through a file."""

    def __init__(self, tree: ast.Module, binder: Binder, inference: Inference, watch: Watch, source: Source) -> None:
        self.starts = source.line_starts
        self.text = source.text
        self.is_setup = b"setuptools" in source.text and b"setup(" in source.text  # lists may hold requirements
        self.tells = _TELLS.search(source.text) is not None
        self.binder = binder
        self.inference = inference
        self.flow = Flow(inference)
        self.watch = watch
        self.found: list[Found] = []
        self.scope = binder.root
        self.statement: ast.AST = tree
        self.siblings = 1
        self.guards: tuple[Guard, ...] = ()
        self.loops = 0
        self.fstring: ast.JoinedStr | None = None
        self.named = self._reference_names()
        self.watched = cache(watch.match)

    def _reference_names(self) -> frozenset[str]:
        """Names that may stand for something imported: all others are skipped at once."""
        kinds = ("import", "def", "class")
        names: set[str] = set()
        for scope in self.binder.scopes.values():
            for name, binding in scope.bindings.items():
                for definition in binding.definitions:
                    if definition.kind in kinds or isinstance(definition.node, (ast.Attribute, ast.Name)):
                        names.add(name)
        return frozenset(names)

    def under(self, guard: Guard | None) -> None:
        """What is visited from here on runs under one more guard."""
        if guard is not None:
            self.guards = (guard, *self.guards)

    def member(self, node: ast.Attribute, parent: str, role: str, call: ast.Call | None) -> None:
        """An attribute of a value: evidence of what the value is, and a site if it is watched."""
        value, name = node.value, node.attr
        if type(value) is ast.Name:
            binding = self.scope.lookup(value.id)
            if binding is not None:
                binding.uses.add(name)
        if name in self.watch.methods or _wordy(name):
            moment = self.moment(parent, "call" if call is not None else role, call)
            self.found.append(Found("method", f".{name}", node, moment, receiver=value))

    def symbol(self, node: ast.expr, reference: Reference, parent: str, role: str, call: ast.Call | None) -> None:
        """Emit the watched part of a resolved chain."""
        name = self.watched(reference.qualified)
        if name is None:
            if _wordy(reference.qualified):
                moment = self.moment(parent, role, call)
                self.found.append(Found("symbol", reference.qualified, node, moment, reference.alias))
            return
        for _ in range(reference.qualified.count(".") - name.count(".")):
            if not isinstance(node, ast.Attribute):
                break
            node, call, role, parent = node.value, None, "load", "Attribute"
        moment = self.moment(parent, "call" if call is not None else role, call)
        self.found.append(Found("symbol", name, node, moment, reference.alias, reference.certain))

    def reference(self, node: ast.expr) -> Reference | None:
        """The qualified name of a chain, in the current scope."""
        root = node
        while type(root) is ast.Attribute:
            root = root.value
        if type(root) is not ast.Name or root.id not in self.named:
            return None
        return self.inference.reference(node, self.scope)

    def qualify(self, node: ast.expr) -> str | None:
        """Like `reference`, the name only."""
        reference = self.reference(node)
        return reference.qualified if reference is not None else None

    def tell(self, test: ast.expr, nodes: Sequence[ast.expr | ast.stmt], holds: bool = True) -> None:
        """Note what a test tells of objects in what is looked at where it holds, or where it fails."""
        if self.tells and nodes and _TELLS.search(self.text, *self.span(test)) is not None:
            note = self.inference.tests.holds if holds else self.inference.tests.fails
            note(test, Span.of(nodes), self.scope, self.qualify)

    def condition(self, test: ast.expr) -> guards.Condition:
        """What a test says of the device; a look at its text spares most tests a closer one."""
        start, end = self.span(test)
        vendors = guards.VENDOR_BYTES.search(self.text, start, end)
        if vendors is None and guards.OTHER_BYTES.search(self.text, start, end) is None:
            return guards.NEUTRAL
        return guards.condition(test, self.qualify)

    def moment(self, parent: str, role: str, call: ast.Call | None = None) -> Moment:
        """What surrounds the node being visited."""
        return Moment(
            self.scope, self.statement, self.siblings, self.guards, self.loops > 0, parent, role, call, self.fstring
        )

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Byte offsets of a node."""
        start = self.starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
        return start, self.starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]
