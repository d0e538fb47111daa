"""What an expression is: the qualified name it stands for, or the class of the object it yields.

Classes are qualified names, `torch.Tensor` or one of the repository, plus symbolic forms that only the whole
repository can settle: ``result:pkg.fn`` (what a function elsewhere returns), ``iter:T`` (something that yields T when
iterated over), ``tuple:T,-`` (a tuple of just these; ``-`` is not known), ``item:1:T`` (what is in second place of such
a T; ``item::T`` what iterating over it yields) and ``any:T,U`` (one of several, which may turn out to be the same: two
modules of one's own).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from porter.catalog.types import SYMBOLIC
from porter.index.names import DEFINITIONS, Names, defines_none, is_none
from porter.index.order import Tests
from porter.index.scope import Binding, Definition, Scope, argument_value, dotted, instance_class, spelled

if TYPE_CHECKING:
    from porter.catalog.types import Types

_DEPTH = 12  # definitions followed before giving up: a :class:`Known` is evidence, not a proof search
_COPYING = {"iter", "reversed", "list", "tuple", "sorted"}
_PASSING = {"enumerate", "zip", "tqdm", "tqdm.tqdm", "tqdm.auto.tqdm", "tqdm.notebook.tqdm", *_COPYING}

_OPERATORS = ("torch.autograd.Function", "torch.autograd.function.Function")
_SELF = frozenset({"to", "cuda", "cpu", "train", "eval", "half", "float", "bfloat16", "requires_grad_"})

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


class Inference(Names):
    """Answers questions about expressions of one file. Memoised; gives up rather than search long."""

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
        self.tests = Tests()
        self._memo: dict[tuple[int, int], Known | None] = {}
        self._held: dict[tuple[Binding, int, int | None], Known | None] = {}
        self._open: set[object] = set()  # what is being worked out: meeting it again says nothing
        self._cycled = False

    def forget(self) -> None:
        """Answer anew from here on: more is known of what attributes are used."""
        self._memo.clear()
        self._held.clear()

    def dissolve(self) -> None:
        """Let go of what asks this in turn: what is done with is freed at once."""
        del self.tests

    # -- classes -------------------------------------------------------------------------------

    def infer(self, node: ast.expr, scope: Scope, depth: int = 0) -> Known | None:
        """The class of the object that ``node`` yields; None if not known."""
        if depth > _DEPTH:
            return None
        handler = _HANDLERS.get(type(node))
        if handler is None:
            return None
        key = (id(node), id(scope))
        if key in self._memo:
            return self._memo[key]
        if key in self._open:
            self._cycled = True
            return None
        self._open.add(key)
        try:
            told = self.tests.at(node, scope)
            known = Known(told.type, told.why) if told else handler(self, node, scope, depth + 1)
        finally:
            self._open.discard(key)
        if known is not None or not self._cycled:
            self._memo[key] = known
        return known

    def _name(self, node: ast.Name, scope: Scope, depth: int) -> Known | None:
        owner = instance_class(node.id, scope)
        if owner is not None:
            return Known(owner.qualified, f"`{node.id}` of class `{owner.qualified.rpartition('.')[2]}`")
        binding = scope.lookup(node.id)
        if binding is None:
            return None
        if len(binding.definitions) == 1 or binding.scope is not scope:
            return self.binding(binding, depth)
        reaching = scope.order.reaching([d.node for d in binding.definitions], node)
        known = self.binding(binding, depth, reaching)
        if known is None or known.type.startswith(SYMBOLIC):
            return self.binding(binding, depth) or known  # what else it holds tells what it is likely to be here
        return known

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
            self._held[key] = held = self._holds(binding, depth, reaching)
        finally:
            self._open.discard(key)
        return held

    def _holds(self, binding: Binding, depth: int, reaching: slice) -> Known | None:
        known: list[Known] = []
        unknown = 0
        for definition in binding.definitions[reaching][:DEFINITIONS]:
            self._cycled = False
            found = self._defined(definition, binding, depth + 1)
            if found is not None:
                known.append(found)
            elif not self._cycled and not defines_none(definition):
                unknown += 1
        self._cycled = False
        if not known:
            return self._by_use(binding)
        several = dict.fromkeys(self.types.canonical(k.type) for k in known)
        first = known[0]
        if len(several) > 1:
            plain = not any(name.startswith(("item:", "iter:", "tuple:", "any:")) for name in several)
            return Known(f"any:{','.join(several)}", first.why, certain=not unknown) if plain else None
        return first if not unknown else Known(first.type, first.why, certain=False)

    def owner(self, node: ast.expr, scope: Scope) -> str | None:
        """The class of this repository, or one that it may be, whose method is called on ``node``."""
        binding = scope.lookup(node.id) if isinstance(node, ast.Name) and node.id not in ("self", "cls") else None
        known = (
            [self.infer(node, scope)]
            if binding is None
            else [self._defined(d, binding, 1) for d in binding.definitions]
        )
        for candidate in known:
            if candidate is not None and not candidate.type.startswith(("torch.", "item:", "iter:", "tuple:", "any:")):
                return candidate.type.removeprefix("result:")
        return None

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
            return self._element(node, scope, depth) if isinstance(node, ast.expr) else None
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
        """What this file's own calls pass for a parameter, if they agree."""
        position = definition.extra[0] if isinstance(definition.extra, tuple) else None
        passed: list[Known] = []
        for call, scope in self.calls.get(binding.scope.qualified, ())[:6]:
            value = argument_value(call, binding.name, position, binding.scope)
            known = self.infer(value, scope, depth + 2) if value is not None else None
            if known is None:
                return None
            passed.append(known)
        if passed and len({self.types.canonical(k.type) for k in passed}) == 1:
            return Known(passed[0].type, f"callers pass it: {passed[0].why}", passed[0].certain)
        return None

    def _element(self, node: ast.expr, scope: Scope, depth: int) -> Known | None:
        """What iterating over ``node`` yields."""
        if isinstance(node, ast.Call):
            reference = self.reference(node.func, scope)
            name = reference.qualified if reference else getattr(node.func, "id", "")
            if name in _PASSING and node.args:
                return self._element(node.args[0], scope, depth)
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            return self._join([self.infer(e, scope, depth) for e in node.elts])
        known = self.infer(node, scope, depth)
        if known is not None and known.type == "torch.utils.data.DataLoader":
            return Known("torch.Tensor", "yielded by a `DataLoader`", certain=False)
        return self._part(known)

    def _part(self, known: Known | None, index: int | None = None) -> Known | None:
        """What is at ``index`` of something, or what iterating over it yields."""
        found = self.types.item(known.type, index) if known is not None else None
        if known is None or found is None:
            return None
        if found.startswith("item:"):
            why = known.why.removeprefix("part of what is ")
            return Known(found, f"part of what is {why}", certain=False)
        return Known(found, known.why, known.certain)

    def _item(self, node: ast.AST, scope: Scope, depth: int, index: int, kind: str) -> Known | None:
        if not isinstance(node, ast.expr):
            return None
        if kind == "iter":
            name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            if name == "enumerate" and index == 0:
                return None
            if name == "zip" and isinstance(node, ast.Call) and index < len(node.args):
                return self._element(node.args[index], scope, depth)
            return self._element(node, scope, depth)
        return self._part(self.infer(node, scope, depth), index)

    def _join(self, known: list[Known | None]) -> Known | None:
        present = [k for k in known if k is not None]
        if not present or len({self.types.canonical(k.type) for k in present}) > 1:
            return None
        return present[0] if len(present) == len(known) else Known(present[0].type, present[0].why, certain=False)

    def _call(self, node: ast.Call, scope: Scope, depth: int) -> Known | None:
        reference = self.reference(node.func, scope)
        if reference is not None:
            return self._called(reference.qualified, node, scope, depth)
        if isinstance(node.func, ast.Attribute):
            return self._method(node.func, scope, depth)
        if isinstance(node.func, ast.Name) and node.func.id == "next" and node.args:
            return self._element(node.args[0], scope, depth)
        if isinstance(node.func, ast.Name) and node.func.id in _COPYING and len(node.args) == 1:
            element = self._element(node.args[0], scope, depth)
            return Known("iter:" + element.type, element.why, element.certain) if element else None
        known = self.infer(node.func, scope, depth)
        if known is not None:
            result = self.types.method(known.type, "__call__")
            return Known(result, f"returned by {known.why}", known.certain) if result else None
        return None

    def _called(self, qualified: str, node: ast.Call, scope: Scope, depth: int) -> Known | None:
        line = f"`{qualified}`, line {node.lineno}"
        result = self.types.returns(qualified)
        if result == "=0":
            return self.infer(node.args[0], scope, depth) if node.args else None
        if result is not None:
            return Known(result, f"made by {line}")
        binding = (
            scope.lookup(qualified.rpartition(".")[2]) if qualified.startswith(scope.root.qualified + ".") else None
        )
        for definition in binding.definitions if binding is not None else ():
            if definition.kind == "class":
                return Known(qualified, f"made by {line}")
            if definition.kind == "def":
                return self.returned(definition.node, depth) or Known("result:" + qualified, f"returned by {line}")
        if qualified.startswith("torch.") or "." not in qualified:
            return None
        return Known("result:" + qualified, f"returned by {line}")

    def returned(self, function: ast.AST, depth: int = 0) -> Known | None:
        """The class of what a function of this file returns, where all its returns agree."""
        scope = self.scopes.get(function)
        if scope is None or depth > _DEPTH or not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return None
        annotated = self.annotation(function.returns, scope.parent or scope)
        if annotated is not None:
            return annotated
        values = [r.value for r in scope.returns if r.value is not None and not is_none(r.value)]
        return self._join([self.infer(v, scope, depth + 1) for v in values[:6]]) if values else None

    def _method(self, func: ast.Attribute, scope: Scope, depth: int) -> Known | None:
        if isinstance(func.value, ast.Call) and getattr(func.value.func, "id", "") == "super":
            owner = scope.enclosing("class")
            return Known(owner.qualified, "`super()`") if owner and func.attr in ("to", "cuda", "eval") else None
        known = self.infer(func.value, scope, depth)
        if known is None or known.type.startswith(SYMBOLIC):
            told = self.types.tells(func.attr)
            known = known if told is None else Known(told, f"returned by `.{func.attr}()`")
        if known is None:
            return None
        result = self.types.method(known.type, func.attr)
        if result is not None:
            return Known(result, known.why, known.certain)
        if func.attr in _SELF:
            return known
        method = self._own_method(known.type, func.attr, scope)
        if method is not None:
            return self.returned(method, depth)
        made = known.type.removeprefix("result:")  # of a class, if it has the method
        if made.startswith(("torch.", *SYMBOLIC)):
            return None
        return Known(f"result:{made}.{func.attr}", known.why, known.certain)

    def _own_method(self, owner: str, name: str, scope: Scope) -> ast.AST | None:
        for node, candidate in self.scopes.items():
            if candidate.kind == "class" and candidate.qualified == owner and isinstance(node, ast.ClassDef):
                binding = candidate.bindings.get(name)
                return binding.definitions[-1].node if binding is not None else None
        return None

    def _attribute(self, node: ast.Attribute, scope: Scope, depth: int) -> Known | None:
        if isinstance(node.value, ast.Name):
            owner = instance_class(node.value.id, scope)
            if owner is not None:
                binding = owner.attributes.get(node.attr) or owner.bindings.get(node.attr)
                return self.binding(binding, depth) if binding is not None else None
        if self.reference(node, scope) is not None:
            return None
        known = self.infer(node.value, scope, depth)
        if known is None:
            return None
        result = self.types.attribute(known.type, node.attr)
        return Known(result, known.why, known.certain) if result else None

    def _binary(self, node: ast.BinOp, scope: Scope, depth: int) -> Known | None:
        for side in (node.left, node.right):
            known = self.infer(side, scope, depth)
            if known is not None and known.type == "torch.Tensor":
                return known
        return None

    def _compare(self, node: ast.Compare, scope: Scope, depth: int) -> Known | None:
        known = self.infer(node.left, scope, depth)
        return known if known is not None and known.type == "torch.Tensor" else None

    def _unary(self, node: ast.UnaryOp, scope: Scope, depth: int) -> Known | None:
        known = self.infer(node.operand, scope, depth)
        return known if known is not None and known.type == "torch.Tensor" else None

    def _choice(self, node: ast.IfExp, scope: Scope, depth: int) -> Known | None:
        arms = [arm for arm in (node.body, node.orelse) if not is_none(arm)]
        return self._join([self.infer(arm, scope, depth) for arm in arms])

    def _boolean(self, node: ast.BoolOp, scope: Scope, depth: int) -> Known | None:
        return self._join([self.infer(v, scope, depth) for v in node.values])

    def _subscript(self, node: ast.Subscript, scope: Scope, depth: int) -> Known | None:
        known = self.infer(node.value, scope, depth)
        if known is None or known.type == "torch.utils.data.DataLoader" or known.type.startswith(("result:", "item:")):
            return None
        if isinstance(node.slice, ast.Slice):
            return known if known.type.startswith(("torch.Tensor", "iter:")) else None
        index = node.slice.value if isinstance(node.slice, ast.Constant) else None
        if isinstance(index, int):
            return self._part(known, index)
        return self._part(known) if not known.type.startswith("tuple:") else None

    def _sequence(self, node: ast.List | ast.Tuple | ast.Set, scope: Scope, depth: int) -> Known | None:
        items = [self.infer(e, scope, depth) for e in node.elts[:8]]
        joined = self._join(items)
        if joined is not None and all(items):
            return Known("iter:" + joined.type, joined.why, joined.certain)
        present = next(filter(None, items), None)
        if isinstance(node, ast.Tuple) and present is not None and len(node.elts) == len(items):
            parts = ("-" if item is None or "," in item.type else item.type for item in items)
            return Known(f"tuple:{','.join(parts)}", present.why, all(item is None or item.certain for item in items))
        return Known("iter:" + joined.type, joined.why, joined.certain) if joined else None

    def _comprehension(self, node: ast.ListComp | ast.GeneratorExp, scope: Scope, depth: int) -> Known | None:
        element = self.infer(node.elt, self.scopes.get(node, scope), depth)
        return Known("iter:" + element.type, element.why, element.certain) if element else None

    def _walrus(self, node: ast.NamedExpr, scope: Scope, depth: int) -> Known | None:
        return self.infer(node.value, scope, depth)


_HANDLERS: dict[type, Callable[..., Known | None]] = {
    ast.Name: Inference._name,
    ast.Call: Inference._call,
    ast.Attribute: Inference._attribute,
    ast.BinOp: Inference._binary,
    ast.UnaryOp: Inference._unary,
    ast.Compare: Inference._compare,
    ast.IfExp: Inference._choice,
    ast.BoolOp: Inference._boolean,
    ast.Subscript: Inference._subscript,
    ast.List: Inference._sequence,
    ast.Tuple: Inference._sequence,
    ast.Set: Inference._sequence,
    ast.ListComp: Inference._comprehension,
    ast.GeneratorExp: Inference._comprehension,
    ast.NamedExpr: Inference._walrus,
}
