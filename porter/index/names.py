"""What a name stands for: imports, definitions and plain assignments, followed to the qualified name."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping

import msgspec

from porter.index.order import Point, begin, end
from porter.index.scope import Binding, Definition, Scope, dotted, instance_class

DEFINITIONS = 24  # of one name that are looked at
_TELLING = re.compile(r"\.cuda|nccl|\.CUDAExtension$")  # of several names, the one that is worth a site


class Reference(msgspec.Struct, frozen=True):
    """The qualified name an expression stands for."""

    qualified: str
    alias: ast.AST | None  # the import alias or assigned value through which it is named; None: spelled from its root
    certain: bool = True


class Names:
    """Resolves the names of one file."""

    def __init__(self, aliases: Mapping[str, str], watched: Callable[[str], object]) -> None:
        """``aliases``: names of the repository, and what of CUDA they stand for. ``watched``: has a name a row?"""
        self.aliases = aliases
        self._watched = watched
        self._bound: dict[Binding, Reference | None] = {}
        self._given: dict[Binding, Point | None] = {}  # where an import gives its name away

    def reference(self, node: ast.expr, scope: Scope) -> Reference | None:
        """The qualified name of a dotted expression; None where its root is an ordinary variable."""
        names: list[str] = []
        root = node
        while type(root) is ast.Attribute:
            names.append(root.attr)
            root = root.value
        if type(root) is not ast.Name:
            return None
        binding = scope.lookup(root.id)
        if binding is None:
            return None
        base = self.bound(binding)
        if base is None:
            return None
        if names and (instance_class(root.id, scope) is not None or self._replaced(binding, root, scope)):
            return None
        base = self._elsewhere(base)
        if not names:
            return base
        qualified = ".".join((base.qualified, *reversed(names)))
        return self._elsewhere(Reference(qualified, base.alias, base.certain))

    def _elsewhere(self, reference: Reference) -> Reference:
        """What a name of the repository stands for, if that is known: itself otherwise."""
        known = self.aliases.get(reference.qualified) if self.aliases else None
        return Reference(known, reference.alias, reference.certain) if known is not None else reference

    def either(self, node: ast.Name, scope: Scope) -> list[str]:
        """The qualified names of what a variable stands for by choice: ``scope = autocast if amp else nullcontext``."""
        binding = scope.lookup(node.id)
        found = []
        for definition in binding.definitions[:DEFINITIONS] if binding is not None else ():
            if definition.kind == "value" and isinstance(definition.node, ast.IfExp):
                arms = (definition.node.body, definition.node.orelse)
                found += [self.reference(arm, definition.scope) for arm in arms]
        return [reference.qualified for reference in found if reference is not None]

    def bound(self, binding: Binding, depth: int = 0) -> Reference | None:
        """What an imported, defined or aliased name stands for."""
        if binding not in self._bound:
            self._bound[binding] = None  # for names defined by themselves
            self._bound[binding] = self._stands_for(binding, depth)
        return self._bound[binding]

    def _stands_for(self, binding: Binding, depth: int) -> Reference | None:
        found: list[Reference] = []
        others = 0
        for definition in binding.definitions[:DEFINITIONS]:
            reference = self._definition(definition, binding, depth)
            if reference is not None:
                found.append(reference)
            elif not defines_none(definition):
                others += 1
        if not found:
            return None
        if others and found[0].alias is not None and not isinstance(found[0].alias, ast.alias):
            return None
        qualified = {r.qualified for r in found}
        best = found[0]
        if len(qualified) > 1:
            told = [r for r in found if _TELLING.search(r.qualified)]
            modern = [r for r in found if r.qualified.startswith("torch.amp.")]  # what Neuron's PyTorch takes
            best = next(iter(modern or told or filter(self._tells, found)), best)
        return Reference(best.qualified, best.alias, certain=best.certain and len(qualified) == 1 and not others)

    def _tells(self, reference: Reference) -> bool:
        """Whether a name is worth a site. One that is assigned has its own, where it is assigned."""
        return not isinstance(reference.alias, ast.expr) and bool(self._watched(reference.qualified))

    def _replaced(self, binding: Binding, use: ast.Name, scope: Scope) -> bool:
        """Whether an import has given its name away: ``import model``, then ``model = model.Net()``."""
        if len(binding.definitions) == 1 or binding.scope is not scope or binding.definitions[0].kind != "import":
            return False
        if binding not in self._given:
            called = (end(d.node) for d in binding.definitions if _is_called_of(d, binding.name))
            self._given[binding] = min(called, default=None)
        given = self._given[binding]
        if given is not None and given <= begin(use):
            return True
        reaching = binding.definitions[scope.order.reaching(binding, use)]
        return all(d.kind == "value" and isinstance(d.node, ast.Call) for d in reaching)

    def _definition(self, definition: Definition, binding: Binding, depth: int) -> Reference | None:
        if definition.kind == "import":
            alias = definition.node
            assert isinstance(alias, ast.alias)
            qualified = str(definition.extra)
            return Reference(qualified, alias if "." in qualified else None)
        if definition.kind in ("def", "class"):
            return Reference(f"{binding.scope.qualified}.{binding.name}", None)
        if definition.kind == "value" and depth < 4 and definition.extra is None:
            value = definition.node
            if isinstance(value, (ast.Attribute, ast.Name)):
                chain = dotted(value)
                if chain is None or (not chain[1] and chain[0].id == binding.name):
                    return None
                target = definition.scope.lookup(chain[0].id)
                if target is None or target is binding or (chain[1] and _is_function(target)):
                    return None
                base = self.bound(target, depth + 1)
                if base is not None:
                    return Reference(".".join([base.qualified, *chain[1]]), value, base.certain)
        return None


def _is_function(binding: Binding) -> bool:
    """Whether a name is a function's, whose attributes hold values: ``gather.buffer = torch.empty(8)``."""
    return all(definition.kind == "def" for definition in binding.definitions)


def _is_called_of(definition: Definition, name: str) -> bool:
    """Whether a definition is what a part of ``name`` returns."""
    called = definition.node.func if isinstance(definition.node, ast.Call) else None
    chain = dotted(called) if definition.kind == "value" and isinstance(called, ast.Attribute) else None
    return chain is not None and chain[0].id == name


def is_none(node: ast.AST) -> bool:
    """Whether a node is the literal None."""
    return isinstance(node, ast.Constant) and node.value is None


def defines_none(definition: Definition) -> bool:
    """Whether a definition is ``name = None``, or ``= object``: it says nothing of what else the name may be."""
    node = definition.node
    return definition.kind == "value" and (is_none(node) or (isinstance(node, ast.Name) and node.id == "object"))
