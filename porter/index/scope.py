"""Scopes and bindings: what a name means where it is used. First pass over a file, statements only."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable

from porter.index.order import Order

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_BLOCKS = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_FORMS = {"module": "g", "class": "a"}  # of places, by the kind of scope


class Definition:
    """One way in which a name gets its value.

    ``kind``: import, value, item (part of an unpacked value), iter (loop variable), with, param, def, class,
    annotation, other.
    """

    __slots__ = ("extra", "kind", "node", "scope")

    def __init__(self, kind: str, node: ast.AST, scope: Scope, extra: object = None) -> None:
        self.kind = kind
        self.node = node
        self.scope = scope
        self.extra = extra


class Binding:
    """A name in a scope, with everything that may define it and how it is used."""

    __slots__ = ("definitions", "name", "place", "scope", "uses")

    def __init__(self, name: str, scope: Scope, definition: Definition) -> None:
        """``definition`` is the first; a parameter's is that."""
        self.name = name
        self.scope = scope
        self.definitions = [definition]
        self.uses: set[str] = set()  # attributes read from it: evidence of what it is
        form = "p" if definition.kind == "param" else _FORMS.get(scope.kind, "v")
        self.place = f"{form}:{scope.qualified}.{name}"  # where its value lives; see `porter.index.summary`


class Scope:
    """A module, class, function, lambda or comprehension."""

    __slots__ = (
        *("_order", "attributes", "bindings", "instance", "kind", "node", "outer", "parent", "qualified"),
        *("returns", "starred"),
    )

    def __init__(self, kind: str, qualified: str, node: ast.AST, parent: Scope | None) -> None:
        self.kind = kind
        self.qualified = qualified
        self.node = node
        self.parent = parent
        self.instance: str | None = None  # methods: the parameter that is the instance, or the class
        self.bindings: dict[str, Binding] = {}
        self.outer: dict[str, Scope] = {}  # names declared global or nonlocal
        self.attributes: dict[str, Binding] = {}  # classes: what is assigned to self.<name>
        self.returns: list[ast.Return] = []  # functions: their return statements
        self.starred: list[str] = []  # modules: those that all names are imported from
        self._order: Order | None = None

    def bind(self, name: str, definition: Definition) -> None:
        """Record one more definition of ``name``."""
        owner = self.outer.get(name, self)
        binding = owner.bindings.get(name)
        if binding is None:
            owner.bindings[name] = Binding(name, owner, definition)
        else:
            binding.definitions.append(definition)

    def bind_attribute(self, name: str, definition: Definition) -> None:
        """Record ``self.<name> = ...`` in this class."""
        binding = self.attributes.get(name)
        if binding is None:
            self.attributes[name] = Binding(name, self, definition)
        else:
            binding.definitions.append(definition)

    def lookup(self, name: str) -> Binding | None:
        """The binding that ``name`` refers to here; None for builtins and unknown names."""
        scope: Scope | None = self
        start = True
        while scope is not None:
            if start or scope.kind != "class":
                binding = scope.bindings.get(name)
                if binding is not None:
                    return binding
                if scope.outer and name in scope.outer:
                    return scope.outer[name].bindings.get(name)
            start = start and scope.kind == "comprehension"
            scope = scope.parent
        return None

    @property
    def order(self) -> Order:
        """Where the scope's own statements assign and loop."""
        if self._order is None:
            self._order = Order(self.node.body if isinstance(self.node, _BLOCKS) else [])
        return self._order

    def forget_order(self) -> None:
        """Let go of it: it knows bindings, which know their scopes."""
        self._order = None

    def enclosing(self, kind: str) -> Scope | None:
        """The innermost scope of that kind, from here outwards."""
        scope: Scope | None = self
        while scope is not None and scope.kind != kind:
            scope = scope.parent
        return scope

    @property
    def root(self) -> Scope:
        """The module's scope."""
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope


class Binder:
    """Builds the scopes of a module. Lambdas and comprehensions are bound when the second pass meets them."""

    def __init__(self, tree: ast.Module, module: str, package: str) -> None:
        self.package = package  # dotted name that a relative import of level 1 starts from
        self.scopes: dict[ast.AST, Scope] = {}
        self.root = Scope("module", module, tree, None)
        self.scopes[tree] = self.root
        self.star: ast.alias | None = None
        self._block(tree.body, self.root)
        if self.star is not None and "torch" not in self.root.bindings:  # then it can be nothing but PyTorch
            self.root.bind("torch", Definition("import", self.star, self.root, "torch"))

    def dissolve(self) -> None:
        """Let go of tree and scopes, which hold each other: what is done with is freed at once."""
        for scope in self.scopes.values():
            scope.bindings.clear()
            scope.attributes.clear()
            scope.outer.clear()
            scope.forget_order()
        self.scopes.clear()

    def _block(self, body: Iterable[ast.stmt], scope: Scope) -> None:
        for statement in body:
            handler = _STATEMENTS.get(type(statement))
            if handler is not None:
                handler(self, statement, scope)

    def _import(self, node: ast.Import, scope: Scope) -> None:
        for alias in node.names:
            if alias.asname:
                scope.bind(alias.asname, Definition("import", alias, scope, alias.name))
            else:
                root = alias.name.partition(".")[0]
                scope.bind(root, Definition("import", alias, scope, root))

    def _import_from(self, node: ast.ImportFrom, scope: Scope) -> None:
        module = self.absolute(node)
        for alias in node.names:
            if alias.name != "*":
                scope.bind(alias.asname or alias.name, Definition("import", alias, scope, f"{module}.{alias.name}"))
            else:
                self.star = alias
                self.root.starred.append(module)

    def absolute(self, node: ast.ImportFrom) -> str:
        """The module an import statement names, relative ones made absolute."""
        if not node.level:
            return node.module or ""
        if not self.package:
            return f".{node.module or ''}"  # relative, and beside no package: no name to import it by
        parts = self.package.split(".")
        parts = parts[: len(parts) - (node.level - 1)] if node.level > 1 else parts
        return ".".join([*parts, *([node.module] if node.module else [])])

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> None:
        scope.bind(node.name, Definition("def", node, scope))
        inner = self.function_scope(node, scope, node.name)
        self._block(node.body, inner)

    def function_scope(self, node: FunctionNode, parent: Scope, name: str) -> Scope:
        """A scope with the parameters bound."""
        scope = Scope("function", f"{parent.qualified}.{name}", node, parent)
        self.scopes[node] = scope
        arguments = node.args
        positional = [*arguments.posonlyargs, *arguments.args]
        if positional and parent.kind == "class" and not _is_static(node):
            scope.instance = positional[0].arg
        defaults = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
        for i, (arg, default) in enumerate(zip(positional, defaults, strict=True)):
            scope.bind(arg.arg, Definition("param", arg, scope, (i, default)))
        for arg, kw_default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
            scope.bind(arg.arg, Definition("param", arg, scope, (None, kw_default)))
        for star in (arguments.vararg, arguments.kwarg):
            if star is not None:
                scope.bind(star.arg, Definition("other", star, scope))
        return scope

    def _class(self, node: ast.ClassDef, scope: Scope) -> None:
        scope.bind(node.name, Definition("class", node, scope))
        inner = Scope("class", f"{scope.qualified}.{node.name}", node, scope)
        self.scopes[node] = inner
        self._block(node.body, inner)

    def _assign(self, node: ast.Assign, scope: Scope) -> None:
        for target in node.targets:
            self.target(target, node.value, scope)

    def _ann_assign(self, node: ast.AnnAssign, scope: Scope) -> None:
        if isinstance(node.target, ast.Name):
            scope.bind(node.target.id, Definition("annotation", node.annotation, scope, node.value))
        elif (owner := self._self(node.target, scope)) is not None:
            definition = Definition("annotation", node.annotation, scope, node.value)
            owner.bind_attribute(node.target.attr, definition)  # type: ignore[union-attr]

    def _aug_assign(self, node: ast.AugAssign, scope: Scope) -> None:
        if isinstance(node.target, ast.Name):
            scope.bind(node.target.id, Definition("value", node.value, scope, "augmented"))

    def target(self, target: ast.expr, value: ast.expr, scope: Scope, kind: str = "value") -> None:
        """Bind an assignment target to the value it takes."""
        if isinstance(target, ast.Name):
            scope.bind(target.id, Definition(kind, value, scope))
        elif isinstance(target, ast.Attribute):
            owner = self._self(target, scope)
            if owner is not None:
                owner.bind_attribute(target.attr, Definition(kind, value, scope))
        elif isinstance(target, ast.Starred):
            self.target(target.value, value, scope, "other")
        elif isinstance(target, (ast.Tuple, ast.List)):
            self._unpack(target, value, scope, kind)

    def _unpack(self, target: ast.Tuple | ast.List, value: ast.expr, scope: Scope, kind: str) -> None:
        parts = value.elts if isinstance(value, (ast.Tuple, ast.List)) and kind == "value" else None
        for i, element in enumerate(target.elts):
            if parts is not None and len(parts) == len(target.elts):
                self.target(element, parts[i], scope, kind)
            elif isinstance(element, ast.Name):
                scope.bind(element.id, Definition("item", value, scope, (i, kind)))
            elif isinstance(element, ast.Attribute):
                owner = self._self(element, scope)
                if owner is not None:
                    owner.bind_attribute(element.attr, Definition("item", value, scope, (i, kind)))
            elif isinstance(element, (ast.Tuple, ast.List)) and kind == "iter":
                self._unpack(element, _looped_over(value, i), scope, kind)
            else:
                self.target(element, value, scope, "other")

    @staticmethod
    def _self(target: ast.expr, scope: Scope) -> Scope | None:
        """The class whose instance ``target`` is an attribute of, when written through ``self``."""
        if not (isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name)):
            return None
        return instance_class(target.value.id, scope)

    def _loop(self, node: ast.For | ast.AsyncFor, scope: Scope) -> None:
        self.target(node.target, node.iter, scope, "iter")
        self._block(node.body, scope)
        self._block(node.orelse, scope)

    def _with(self, node: ast.With | ast.AsyncWith, scope: Scope) -> None:
        for item in node.items:
            if item.optional_vars is not None:
                self.target(item.optional_vars, item.context_expr, scope, "with")
        self._block(node.body, scope)

    def _try(self, node: ast.Try, scope: Scope) -> None:
        self._block(node.body, scope)
        for handler in node.handlers:
            if handler.name:
                scope.bind(handler.name, Definition("other", handler, scope))
            self._block(handler.body, scope)
        self._block(node.orelse, scope)
        self._block(node.finalbody, scope)

    def _branch(self, node: ast.If | ast.While, scope: Scope) -> None:
        self._block(node.body, scope)
        self._block(node.orelse, scope)

    def _match(self, node: ast.Match, scope: Scope) -> None:
        for case in node.cases:
            for pattern in ast.walk(case.pattern):
                name = getattr(pattern, "name", None) or getattr(pattern, "rest", None)
                if isinstance(name, str):
                    scope.bind(name, Definition("other", pattern, scope))
            self._block(case.body, scope)

    def _return(self, node: ast.Return, scope: Scope) -> None:
        scope.returns.append(node)

    def _global(self, node: ast.Global, scope: Scope) -> None:
        for name in node.names:
            scope.outer[name] = scope.root

    def _nonlocal(self, node: ast.Nonlocal, scope: Scope) -> None:
        for name in node.names:
            owner = scope.parent
            while owner is not None and (owner.kind == "class" or name not in owner.bindings):
                owner = owner.parent
            if owner is not None:
                scope.outer[name] = owner


_STATEMENTS: dict[type, Callable[..., None]] = {
    ast.Import: Binder._import,
    ast.ImportFrom: Binder._import_from,
    ast.FunctionDef: Binder._function,
    ast.AsyncFunctionDef: Binder._function,
    ast.ClassDef: Binder._class,
    ast.Assign: Binder._assign,
    ast.AnnAssign: Binder._ann_assign,
    ast.AugAssign: Binder._aug_assign,
    ast.For: Binder._loop,
    ast.AsyncFor: Binder._loop,
    ast.With: Binder._with,
    ast.AsyncWith: Binder._with,
    ast.Try: Binder._try,
    ast.If: Binder._branch,
    ast.While: Binder._branch,
    ast.Match: Binder._match,
    ast.Return: Binder._return,
    ast.Global: Binder._global,
    ast.Nonlocal: Binder._nonlocal,
}
if hasattr(ast, "TryStar"):
    _STATEMENTS[ast.TryStar] = Binder._try


def instance_class(name: str, scope: Scope) -> Scope | None:
    """The class that ``name`` is an instance (or the class object) of, when it is a method's first parameter."""
    function = scope.enclosing("function")
    while function is not None:
        if name in function.bindings:
            return function.parent if name == function.instance else None
        function = function.parent.enclosing("function") if function.parent else None
    return None


def _looped_over(iterable: ast.expr, index: int) -> ast.expr:
    """What a loop over ``iterable`` takes the item at ``index`` from, itself where nothing else is known."""
    name = iterable.func.id if isinstance(iterable, ast.Call) and isinstance(iterable.func, ast.Name) else ""
    sources = iterable.args if isinstance(iterable, ast.Call) else []
    if name == "tqdm" and sources:
        return _looped_over(sources[0], index)
    if name == "enumerate" and index == 1 and sources:
        return sources[0]
    return sources[index] if name == "zip" and index < len(sources) else iterable


def _is_static(node: ast.AST) -> bool:
    decorators = getattr(node, "decorator_list", ())
    return any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in decorators)


def dotted(node: ast.expr) -> tuple[ast.Name, list[str]] | None:
    """``a.b.c`` as its root and ``["b", "c"]``; None where the expression is no plain chain."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        names.reverse()
        return node, names
    return None


def spelled(node: ast.expr) -> str:
    """An expression as text: a plain chain, as most are, without the time that `ast.unparse` takes."""
    chain = dotted(node)
    return ".".join([chain[0].id, *chain[1]]) if chain is not None else ast.unparse(node)


def argument_value(call: ast.Call, name: str, position: int | None, function: Scope) -> ast.expr | None:
    """The expression a call passes for a parameter. ``position`` counts ``self``, which methods do not pass."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    if position is None:
        return None
    if function.parent is not None and function.parent.kind == "class":
        position -= 1
    if 0 <= position < len(call.args) and not any(isinstance(a, ast.Starred) for a in call.args[: position + 1]):
        return call.args[position]
    return None
