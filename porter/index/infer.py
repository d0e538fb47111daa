"""What an expression is: the class of the object it yields. (`porter.index.variables` writes these classes down.)"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from porter.catalog.types import SYMBOLIC, either
from porter.index.names import is_none
from porter.index.order import Tests
from porter.index.scope import Scope, instance_class
from porter.index.variables import COPYING, Known, Variables

if TYPE_CHECKING:
    from porter.catalog.types import Types

_DEPTH = 12  # definitions followed before giving up: a :class:`Known` is evidence, not a proof search
_SELF = frozenset({"to", "cuda", "cpu", "train", "eval", "half", "float", "bfloat16", "requires_grad_"})


class Inference(Variables):
    """Answers questions about expressions of one file. Memoised; gives up rather than search long."""

    def __init__(
        self,
        types: Types,
        scopes: dict[ast.AST, Scope],
        aliases: Mapping[str, str],
        watched: Callable[[str], object],
    ) -> None:
        super().__init__(types, scopes, aliases, watched)
        self.tests = Tests()
        self._memo: dict[tuple[int, int], Known | None] = {}
        self._shallow: dict[tuple[int, int], int] = {}  # how deep a question may be asked that else leads too far
        self._far = 0  # how often one has

    def forget(self) -> None:
        """Answer anew from here on: more is known of what attributes are used."""
        self._memo.clear()
        self._shallow.clear()
        self._held.clear()

    def dissolve(self) -> None:
        """Let go of what asks this in turn: what is done with is freed at once."""
        del self.tests

    def infer(self, node: ast.expr, scope: Scope, depth: int = 0) -> Known | None:
        """The class of the object that ``node`` yields; None if not known. Asked again, it remembers."""
        key = (id(node), id(scope))
        if depth > self._shallow.get(key, _DEPTH):
            self._far += 1
            self._cycled = True  # from elsewhere the way may be shorter: what came of this is not remembered
            return None
        handler = _HANDLERS.get(type(node))
        if handler is None:
            return None
        if key in self._memo:
            return self._memo[key]
        if key in self._open:
            self._cycled = True
            return None
        self._open.add(key)
        far = self._far
        try:
            told = self.tests.at(node, scope)
            known = Known(told.type, told.why) if told else handler(self, node, scope, depth + 1)
        finally:
            self._open.discard(key)
        if known is not None or not self._cycled:
            self._memo[key] = known
            self._shallow.pop(key, None)
        elif self._far > far:
            self._shallow[key] = depth - 1
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
        reaching = scope.order.reaching(binding, node)
        known = self.binding(binding, depth, reaching)
        if known is None or known.type.startswith(SYMBOLIC):
            return self.binding(binding, depth) or known  # what else it holds tells what it is likely to be here
        return known

    def _call(self, node: ast.Call, scope: Scope, depth: int) -> Known | None:
        reference = self.reference(node.func, scope)
        if reference is not None:
            return self._called(reference.qualified, node, scope, depth)
        if isinstance(node.func, ast.Attribute):
            return self._method(node.func, scope, depth)
        if isinstance(node.func, ast.Name) and node.func.id == "next" and node.args:
            return self.element(node.args[0], scope, depth)
        if isinstance(node.func, ast.Name) and node.func.id in COPYING and len(node.args) == 1:
            element = self.element(node.args[0], scope, depth)
            return Known("iter:" + element.type, element.why, element.certain) if element else None
        if isinstance(node.func, ast.Name) and node.func.id == "super":
            return self._base(scope)
        if isinstance(node.func, ast.Subscript):
            return self._registered(node, node.func, scope, depth)
        known = self.infer(node.func, scope, depth)
        if known is not None:
            result = self.types.method(known.type, "__call__")
            return Known(result, f"returned by what is {known.why}", known.certain) if result else None
        if scope.root.starred and isinstance(node.func, ast.Name) and scope.lookup(node.func.id) is None:
            return Known(
                f"result:{scope.root.qualified}.{node.func.id}", f"returned by `{node.func.id}`, line {node.lineno}"
            )
        return None

    def _registered(self, node: ast.Call, chosen: ast.Subscript, scope: Scope, depth: int) -> Known | None:
        """``MODELS[name]()``: one of what the classes and functions of a dictionary yield."""
        binding = scope.lookup(chosen.value.id) if isinstance(chosen.value, ast.Name) else None
        defined = binding.definitions[0] if binding is not None and len(binding.definitions) == 1 else None
        table = defined.node if defined is not None and defined.kind == "value" else None
        if defined is None or not isinstance(table, ast.Dict):
            return None
        makers = [self.reference(value, defined.scope) for value in table.values]
        made = [self._called(maker.qualified, node, scope, depth) for maker in makers if maker is not None]
        types = {known.type: known.why for known in made if known is not None}
        if len(made) < len(makers) or None in made:
            return None
        one = either(types)
        return Known(one, next(iter(types.values())), certain=False) if one is not None else None

    def _base(self, scope: Scope) -> Known | None:
        """What ``super()`` is in a class: its base, where it has but one."""
        owner = scope.enclosing("class")
        bases = owner.node.bases if owner is not None and isinstance(owner.node, ast.ClassDef) else []
        base = self.reference(bases[0], owner.parent or owner) if owner is not None and len(bases) == 1 else None
        return Known(base.qualified, "`super()`") if base is not None else None

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
        return self.join([self.infer(v, scope, depth + 1) for v in values[:6]]) if values else None

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
        method = self._own_method(known.type, func.attr)
        if method is not None:
            return self.returned(method, depth)
        made = known.type.removeprefix("result:")  # of a class, if it has the method
        if made.startswith(("torch.", *SYMBOLIC)):
            return None
        return Known(f"result:{made}.{func.attr}", f"returned by `.{func.attr}()`", known.certain)

    def _own_method(self, owner: str, name: str) -> ast.AST | None:
        scope = self._classes.get(owner)
        binding = scope.bindings.get(name) if scope is not None else None
        return binding.definitions[-1].node if binding is not None else None

    @cached_property
    def _classes(self) -> dict[str, Scope]:
        """The classes of this file by their qualified names; of several the first."""
        found = [scope for node, scope in self.scopes.items() if isinstance(node, ast.ClassDef)]
        return {scope.qualified: scope for scope in reversed(found) if scope.kind == "class"}

    def _attribute(self, node: ast.Attribute, scope: Scope, depth: int) -> Known | None:
        owner = instance_class(node.value.id, scope) if isinstance(node.value, ast.Name) else None
        known = None
        if owner is None:
            if self.reference(node, scope) is not None:
                return None
            known = self.infer(node.value, scope, depth)
            if known is None:
                return None
            result = self.types.attribute(known.type, node.attr)
            if result:
                return Known(result, known.why, known.certain)
            owner = self._classes.get(known.type)
        if owner is None:
            return None
        binding = owner.attributes.get(node.attr) or owner.bindings.get(node.attr)
        return self.binding(binding, depth) if binding is not None else None

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
        return self.join([self.infer(arm, scope, depth) for arm in arms])

    def _boolean(self, node: ast.BoolOp, scope: Scope, depth: int) -> Known | None:
        return self.join([self.infer(v, scope, depth) for v in node.values])

    def _subscript(self, node: ast.Subscript, scope: Scope, depth: int) -> Known | None:
        known = self.infer(node.value, scope, depth)
        if known is None or known.type == "torch.utils.data.DataLoader" or known.type.startswith(("result:", "item:")):
            return None
        if isinstance(node.slice, ast.Slice):
            return known if known.type.startswith(("torch.Tensor", "iter:")) else None
        index = node.slice.value if isinstance(node.slice, ast.Constant) else None
        if isinstance(index, int):
            return self.part(known, index)
        return self.part(known) if not known.type.startswith("tuple:") else None

    def _sequence(self, node: ast.List | ast.Tuple | ast.Set, scope: Scope, depth: int) -> Known | None:
        items = [self.infer(e, scope, depth) for e in node.elts[:8]]
        joined = self.join(items)
        reasons = tuple(item.why if item is not None else "" for item in items) if isinstance(node, ast.Tuple) else ()
        if joined is not None and all(items):
            return Known("iter:" + joined.type, joined.why, joined.certain, reasons)
        present = next(filter(None, items), None)
        if isinstance(node, ast.Tuple) and present is not None and len(node.elts) == len(items):
            parts = ("-" if item is None or "," in item.type else item.type for item in items)
            certain = all(item is None or item.certain for item in items)
            return Known(f"tuple:{','.join(parts)}", present.why, certain, reasons)
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
