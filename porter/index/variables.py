"""What a variable holds: by what it is assigned or looped over, its annotation, its callers, and how it is used.

Classes are qualified names, `torch.Tensor` or one of the repository, plus symbolic forms that only the whole
repository can settle: ``result:pkg.fn`` (what a function elsewhere returns), ``iter:T`` (something that yields T when
iterated over), ``tuple:T,-`` (a tuple of just these; ``-`` is not known), ``item:1:T`` (what is in second place of such
a T; ``item::T`` what iterating over it yields) and ``any:T,U`` (one of several, which may turn out to be the same: two
modules of one's own).
"""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from porter.catalog.types import COMPOUND, either
from porter.index.names import DEFINITIONS, Names, defines_none, is_none
from porter.index.scope import Binding, Definition, Scope, argument_value, dotted, spelled

if TYPE_CHECKING:
    from porter.catalog.types import Types

COPYING = {"iter", "reversed", "list", "tuple", "sorted"}
_PASSING = {"enumerate", "zip", "tqdm", "tqdm.tqdm", "tqdm.auto.tqdm", "tqdm.notebook.tqdm", *COPYING}

_OPERATORS = ("torch.autograd.Function", "torch.autograd.function.Function")

# Attributes that other classes have, too: two of them together are evidence.
_HINTS = {
    "torch.nn.Module": frozenset(
        {
            "eval",
            "train",
            "parameters",
            "state_dict",
            "load_state_dict",
            "requires_grad_",
            "zero_grad",
            "apply",
            "module",
        }
    ),
    "torch.Tensor": frozenset(
        {
            "size",
            "detach",
            "view",
            "numel",
            "dim",
            "contiguous",
            "backward",
            "long",
            "permute",
            "device",
            "dtype",
            "shape",
        }
    ),
}


class Known(msgspec.Struct, frozen=True):
    """The class of the object an expression yields, and how that is known."""

    type: str
    why: str
    certain: bool = True
    parts: tuple[str, ...] = ()  # how each element of a tuple is known


class Variables(Names, ABC):
    """What the variables of one file hold. `Inference` adds what any other expression yields."""

    def __init__(
        self,
        types: Types,
        scopes: dict[ast.AST, Scope],
        aliases: Mapping[str, str],
        watched: Callable[[str], object],
    ) -> None:
        super().__init__(aliases, watched)
        self.types = types
        self.scopes = scopes
        self.calls: dict[str, list[tuple[ast.Call, Scope]]] = {}  # calls of this file's own functions
        self.called: dict[Binding, list[tuple[ast.Call, Scope]]] = {}  # and of what its parameters are given
        self.handed: dict[str, list[tuple[str, ast.Call]]] = {}  # functions that a call of one gives it
        self._held: dict[tuple[Binding, int, int | None], Known | None] = {}
        self._open: set[object] = set()  # what is being worked out: meeting it again says nothing
        self._cycled = False

    @abstractmethod
    def infer(self, node: ast.expr, scope: Scope, depth: int = 0) -> Known | None:
        """The class of the object that ``node`` yields; None if not known."""

    def binding(self, binding: Binding, depth: int = 0, reaching: slice = slice(0, None)) -> Known | None:
        """The class of what a variable holds: all definitions that count, and whose class is known, must agree."""
        key = (binding, reaching.start, reaching.stop)
        if key in self._held:
            return self._held[key]
        if key in self._open:
            self._cycled = True
            return None
        self._open.add(key)
        try:
            held = self._holds(binding, depth, reaching)
        finally:
            self._open.discard(key)
        if held is not None or not self._cycled:
            self._held[key] = held
        return held

    def _holds(self, binding: Binding, depth: int, reaching: slice) -> Known | None:
        known: list[Known] = []
        unknown, cycled = 0, False
        for definition in binding.definitions[reaching][:DEFINITIONS]:
            self._cycled = False
            found = self._defined(definition, binding, depth + 1)
            cycled = cycled or self._cycled
            if found is not None:
                known.append(found)
            elif not self._cycled and not defines_none(definition):
                unknown += 1
        self._cycled = cycled and not known
        if not known:
            return self._by_use(binding)
        several = dict.fromkeys(self.types.canonical(k.type) for k in known)
        first = known[0]
        if len(several) > 1:
            one = either(several)
            return Known(one, first.why, certain=not unknown) if one is not None else None
        return first if not unknown else Known(first.type, first.why, certain=False)

    def owner(self, node: ast.expr, scope: Scope) -> str | None:
        """The class of this repository, or one that it may be, whose method is called on ``node``."""
        own = isinstance(node, ast.Name) and node.id in ("self", "cls")
        for candidate in [self.infer(node, scope)] if own else self.given(node, scope):
            if candidate is not None and not candidate.type.startswith(("torch.", *COMPOUND)):
                return candidate.type.removeprefix("result:")
        return None

    def given(self, node: ast.expr, scope: Scope) -> list[Known | None]:
        """What each definition of a variable gives it, wherever it stands; of another expression, what it yields."""
        binding = scope.lookup(node.id) if isinstance(node, ast.Name) else None
        if binding is None:
            return [self.infer(node, scope)]
        return [self._defined(definition, binding, 1) for definition in binding.definitions[:DEFINITIONS]]

    def by_use(self, node: ast.expr, scope: Scope) -> Known | None:
        """What the attributes read from a variable say of it, whatever it is made by."""
        binding = scope.lookup(node.id) if isinstance(node, ast.Name) else None
        return self._by_use(binding) if binding is not None else None

    def _by_use(self, binding: Binding) -> Known | None:
        """What the attributes read from a variable say of it: one that only tensors have, or two that go together."""
        for use in sorted(binding.uses):
            told = self.types.tells(use)
            if told is not None:
                return Known(told, f"`{binding.name}.{use}` is used beside it")
        hints = {name: sorted(binding.uses & words) for name, words in _HINTS.items()}
        likely = [name for name, found in hints.items() if len(found) > 1]
        if len(likely) == 1:
            words = " and ".join(f"`.{word}`" for word in hints[likely[0]][:2])
            return Known(likely[0], f"{words} are used beside it", certain=False)
        return None

    def _defined(self, definition: Definition, binding: Binding, depth: int) -> Known | None:
        node, scope = definition.node, definition.scope
        if definition.kind in ("value", "with"):
            return self.infer(node, scope, depth) if isinstance(node, ast.expr) else None
        if definition.kind == "annotation":
            return self._annotation(node, scope, depth, definition.extra)
        if definition.kind == "param":
            return self._parameter(definition, binding, depth)
        if definition.kind == "iter":
            return self.element(node, scope, depth) if isinstance(node, ast.expr) else None
        if definition.kind == "item" and isinstance(definition.extra, tuple):
            return self._item(node, scope, depth, *definition.extra)
        return None

    def _annotation(self, node: ast.AST, scope: Scope, depth: int, value: object) -> Known | None:
        annotated = self.annotation(node, scope)
        if annotated is None and isinstance(value, ast.expr):
            return self.infer(value, scope, depth)
        return annotated

    def annotation(self, node: ast.AST | None, scope: Scope) -> Known | None:
        """The class named by an annotation: plain, quoted, ``Optional[X]`` or ``X | None``."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                node = ast.parse(node.value, mode="eval").body
            except SyntaxError:
                return None
        if isinstance(node, ast.Subscript) and isinstance(node.value, (ast.Name, ast.Attribute)):
            outer = dotted(node.value)
            name = (outer[1] or [outer[0].id])[-1] if outer else ""
            inner = self.annotation(node.slice, scope)
            if name == "Optional":
                return inner
            if inner and name in ("List", "list", "Sequence", "Iterable", "Iterator", "Tuple", "tuple"):
                return Known("iter:" + inner.type, inner.why)
            return None
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            sides = [self.annotation(side, scope) for side in (node.left, node.right) if not is_none(side)]
            return sides[0] if len(sides) == 1 else None
        if isinstance(node, (ast.Name, ast.Attribute)):
            reference = self.reference(node, scope)
            if reference is not None:
                return Known(self.types.canonical(reference.qualified), f"annotated `{spelled(node)}`")
        return None

    def _parameter(self, definition: Definition, binding: Binding, depth: int) -> Known | None:
        arg = definition.node
        assert isinstance(arg, ast.arg)
        if self._is_gradient(definition):
            return Known("torch.Tensor", f"the gradient that `backward` is given as `{binding.name}`")
        annotated = self.annotation(arg.annotation, definition.scope.parent or definition.scope)
        if annotated is not None:
            return annotated
        return self._by_use(binding) or self._by_callers(definition, binding, depth)

    def _is_gradient(self, definition: Definition) -> bool:
        """Whether PyTorch passes a gradient for a parameter: to the ``backward`` of an operator, after its context."""
        owner, function = definition.scope.parent, definition.scope.node
        if getattr(function, "name", "") != "backward" or owner is None or not isinstance(owner.node, ast.ClassDef):
            return False
        bases = (self.reference(base, owner) for base in owner.node.bases)
        own = any(base is not None and base.qualified in _OPERATORS for base in bases)
        return own and isinstance(definition.extra, tuple) and definition.extra[0] not in (0, None)

    def _by_callers(self, definition: Definition, binding: Binding, depth: int) -> Known | None:
        """What this file's own calls pass for a parameter: of one class, or each of one that is named."""
        position = definition.extra[0] if isinstance(definition.extra, tuple) else None
        passed: list[Known] = []
        for call, scope in self._calls_of(binding.scope)[:6]:
            value = argument_value(call, binding.name, position, binding.scope)
            known = self.infer(value, scope, depth + 2) if value is not None else None
            if known is None:
                return None
            passed.append(known)
        several = dict.fromkeys(self.types.canonical(k.type) for k in passed)
        if len(several) == 1:
            return Known(passed[0].type, f"what callers pass: {passed[0].why}", passed[0].certain)
        one = either(several)
        return Known(one, f"what callers pass: {passed[0].why}", certain=False) if one is not None else None

    def _calls_of(self, function: Scope) -> list[tuple[ast.Call, Scope]]:
        """This file's calls of a function, also by a parameter that it is handed for: ``apply(move, batch)``."""
        found = list(self.calls.get(function.qualified, ()))
        for name, call in self.handed.get(function.qualified, ()):
            taking = (scope for scope in self.scopes.values() if scope.kind == "function" and scope.qualified == name)
            for binding in (binding for scope in taking for binding in scope.bindings.values()):
                definition = binding.definitions[0]
                position = definition.extra[0] if isinstance(definition.extra, tuple) else None
                given = argument_value(call, binding.name, position, binding.scope)
                reference = self.reference(given, function.parent or function) if given is not None else None
                if reference is not None and reference.qualified == function.qualified:
                    found += self.called.get(binding, ())
        return found

    def element(self, node: ast.expr, scope: Scope, depth: int) -> Known | None:
        """What iterating over ``node`` yields."""
        if isinstance(node, ast.Call):
            reference = self.reference(node.func, scope)
            name = reference.qualified if reference else getattr(node.func, "id", "")
            if name in _PASSING and node.args:
                return self.element(node.args[0], scope, depth)
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            return self.join([self.infer(e, scope, depth) for e in node.elts])
        known = self.infer(node, scope, depth)
        if known is not None and known.type == "torch.utils.data.DataLoader":
            return Known("torch.Tensor", "yielded by a `DataLoader`", certain=False)
        return self.part(known)

    def _item(self, node: ast.AST, scope: Scope, depth: int, index: int, kind: str) -> Known | None:
        if not isinstance(node, ast.expr):
            return None
        if kind == "iter":
            name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            if name == "enumerate" and index == 0:
                return None
            if name == "zip" and isinstance(node, ast.Call) and index < len(node.args):
                return self.element(node.args[index], scope, depth)
            return self.element(node, scope, depth)
        return self.part(self.infer(node, scope, depth), index)

    def part(self, known: Known | None, index: int | None = None) -> Known | None:
        """What is at ``index`` of something, or what iterating over it yields."""
        found = self.types.item(known.type, index) if known is not None else None
        if known is None or found is None:
            return None
        if found.startswith("item:"):
            whole = known.why.removeprefix("part of ")
            whole = whole if whole.startswith("what ") else f"what is {whole}"
            return Known(found, f"part of {whole}", certain=False)
        why = next(iter(known.parts[index : index + 1]), "") if index is not None and index >= 0 else ""
        return Known(found, why or known.why, known.certain)

    def join(self, known: list[Known | None]) -> Known | None:
        """The one class that all of several are, as far as they are known."""
        present = [k for k in known if k is not None]
        if not present or len({self.types.canonical(k.type) for k in present}) > 1:
            return None
        return present[0] if len(present) == len(known) else Known(present[0].type, present[0].why, certain=False)
