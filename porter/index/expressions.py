"""The second pass over a file, expressions: each is looked at once, telling ones become sites."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

from porter.index import guards
from porter.index.callee import Callee, short, started
from porter.index.collect import WORD, Collector, Found
from porter.index.names import Reference
from porter.index.scope import COMPREHENSIONS, Definition, Scope
from porter.index.site import Guard
from porter.index.values import Use

_LOOKED_UP = (ast.Attribute, ast.Name, ast.Lambda, ast.Constant)  # what a table of devices holds, not data
_CHILDREN: dict[type, tuple[str, ...]] = {}
_LEAF_FIELDS = frozenset({"ctx", "op", "ops", "id", "attr", "arg", "name", "names", "type_comment", "kind", "lineno"})
_IMPORTING = ("importlib.import_module", "__import__")
_LOADING = ".from_pretrained"
_RUNNERS = re.compile(r"subprocess|popen|system|check_|which|spawn|exec|run|shell|cmd|command", re.I)
_LABELS = re.compile(rb"\b(?:keywords|classifiers|platforms)[\"']?\s*[=:]\s*[\[(][^\[\]()]*\Z")


class Expressions(Collector):
    """Looks at expressions. `porter.index.visit` leads it through statements."""

    def children(self, node: ast.AST) -> None:
        """Visit the expressions below a node that has no handler of its own."""
        kind = type(node)
        fields = _CHILDREN.get(kind)
        if fields is None:
            fields = _CHILDREN[kind] = tuple(f for f in kind._fields if f not in _LEAF_FIELDS)
        for field in fields:
            value = getattr(node, field, None)
            if isinstance(value, list):
                for element in value:
                    if element is not None:  # `**other` in a dict has no key
                        self.expr(element, kind.__name__)
            elif value is not None:
                self.expr(value, kind.__name__)

    def expr(self, node: ast.AST, parent: str, role: str = "load") -> None:
        """Visit one expression; ``parent`` is the class name of the node around it."""
        kind = type(node)
        if kind is ast.Name:
            if node.id in self.named:  # type: ignore[attr-defined]
                self.chain(node, parent, role=role)  # type: ignore[arg-type]
        elif kind is ast.Attribute:
            self.chain(node, parent, role=role)  # type: ignore[arg-type]
        elif kind is ast.Call:
            self.call(node, parent, role)  # type: ignore[arg-type]
        elif kind is ast.Constant:
            if isinstance(node.value, str):  # type: ignore[attr-defined]
                self.string(node, node.value, parent)  # type: ignore[attr-defined,arg-type]
        else:
            handler = _EXPRESSIONS.get(kind)
            if handler is not None:
                handler(self, node, parent)
            else:
                self.children(node)

    def chain(
        self, node: ast.expr, parent: str, role: str = "load", call: ast.Call | None = None, descend: bool = True
    ) -> None:
        """A name or ``a.b.c``: a watched symbol, a watched method of something, or neither."""
        reference = self.reference(node)
        if reference is not None:
            self.symbol(node, reference, parent, role, call)
        elif isinstance(node, ast.Attribute):
            self.member(node, parent, role, call)
            if descend:
                self.expr(node.value, "Attribute")

    def call(self, node: ast.Call, parent: str, role: str = "load") -> None:
        """A call: its function, and where its arguments go."""
        func = node.func
        reference = self.reference(func)
        self._arguments(node, reference)
        if (reference.qualified if reference is not None else getattr(func, "id", "")) in _IMPORTING:
            self._import_by_name(node)
        if reference is not None:
            self.symbol(func, reference, parent, role if role == "decorator" else "call", node)
        elif isinstance(func, ast.Attribute):
            self.member(func, parent, role, node)
            self.expr(func.value, "Attribute")
        elif isinstance(func, ast.Name):
            self._dynamic(node, func.id, parent)
        else:
            self.expr(func, "Call")
        casts = reference is not None and reference.qualified == "typing.cast"
        for annotation in node.args[:casts]:
            self.annotation(annotation)
        for argument in node.args[casts:]:
            self.expr(argument, "Call")
        for keyword in node.keywords:
            self.expr(keyword.value, "keyword")

    def _arguments(self, node: ast.Call, reference: Reference | None) -> None:
        if not node.args and not node.keywords:
            return
        callee = Callee(self, node, reference)
        self._started(node, callee)
        for i, argument in enumerate(node.args):
            use = callee.positional(i, argument)
            if use.place is not None or use.sink is not None or use.detail:
                self.flow.into(argument, use, self.scope)
        for keyword in node.keywords:
            self.flow.into(keyword.value, callee.keyword(keyword), self.scope)
            if keyword.arg is None and not self._handed_on(keyword.value):
                self.flow.spread(callee)
        method = f".{callee.short}" if isinstance(node.func, ast.Attribute) else ""
        for name in (callee.owner, method):
            if name in self.watch.arguments:
                self._argument_sites(node, name, self.watch.arguments[name])
                break
        else:
            for keyword in node.keywords if callee.short == "dict" else ():
                self.prepared(keyword.arg or "", keyword.value)

    def _started(self, node: ast.Call, callee: Callee) -> None:
        """What a process or a thread is given goes into the parameters of the function that it runs."""
        found = started(node, callee.name)
        reference = self.reference(found[0]) if found is not None else None
        if found is None or reference is None:
            return
        for i, argument in enumerate(found[1], found[2]):
            use = Use("argument", f"p:{reference.qualified}.#{i}", detail=callee.label)
            self.flow.into(argument, use, self.scope)

    def _handed_on(self, node: ast.expr) -> bool:
        """Whether this is what a function has got as ``**kwargs``."""
        binding = self.scope.lookup(node.id) if isinstance(node, ast.Name) else None
        first = binding.definitions[0] if binding is not None else None
        return first is not None and first.kind == "other" and isinstance(first.node, ast.arg)

    def _argument_sites(self, node: ast.Call, name: str, watched: dict[str, int | None]) -> None:
        by_position = {position: parameter for parameter, position in watched.items() if position is not None}
        for i, value in enumerate(node.args):
            if isinstance(value, ast.Starred):
                break
            if i in by_position:
                self._argument_site(node, f"{name}({by_position[i]})", value)
        for keyword in node.keywords:
            if keyword.arg in watched:
                self._argument_site(node, f"{name}({keyword.arg})", keyword.value)

    def prepared(self, name: str, value: ast.expr) -> None:
        """``kwargs["device_map"] = "auto"``: what a dictionary holds for a call by the name of such an argument."""
        if name in self.watch.arguments.get(_LOADING, ()):
            self._argument_site(None, f"{_LOADING}({name})", value)

    def _argument_site(self, node: ast.Call | None, name: str, value: ast.expr) -> None:
        detail = ast.unparse(value) if isinstance(value, (ast.Constant, ast.Name, ast.Attribute)) else ""
        self.found.append(Found("argument", name, value, self.moment("Call", "load", node), detail=detail))

    def _dynamic(self, node: ast.Call, function: str, parent: str) -> None:
        """``getattr(torch, "cuda")`` and ``hasattr``: access by a name in a string."""
        if function in ("getattr", "hasattr") and len(node.args) >= 2:
            base, name = node.args[0], node.args[1]
            reference = self.reference(base) if isinstance(base, (ast.Name, ast.Attribute)) else None
            if reference is not None and isinstance(name, ast.Constant) and isinstance(name.value, str):
                watched = self.watched(f"{reference.qualified}.{name.value}")
                if watched == f"{reference.qualified}.{name.value}":
                    moment = self.moment(parent, "dynamic", node)
                    self.flow.uses[id(name)] = Use("dynamic")
                    found = Found("symbol", watched, node, moment, detail=f"{function}({reference.qualified})")
                    self.found.append(found)

    def _import_by_name(self, node: ast.Call) -> None:
        """``importlib.import_module("flash_attn")``: the import of a package that a string names."""
        match node.args[:1]:
            case [ast.Constant(value=str(qualified)) as name] if not qualified.startswith((".", "torch.")):
                if (brought := self.brought(qualified)) is not None:
                    self.flow.uses[id(name)] = Use("dynamic")
                    self.found.append(Found("symbol", brought, name, self.moment("Import", "import")))

    def brought(self, qualified: str) -> str | None:
        """What an import of a qualified name is a site of; None where it is none."""
        if self.watch.has("symbol", qualified):
            return qualified
        return self.watch.match(qualified) or (qualified if WORD.search(qualified) else None)

    def _compare(self, node: ast.Compare, parent: str) -> None:
        operands = [node.left, *node.comparators]
        for i, operand in enumerate(operands):
            other = operands[i - 1] if i else operands[1]
            if isinstance(operand, (ast.Constant, ast.JoinedStr, ast.Tuple, ast.List, ast.Set, ast.BinOp, ast.Call)):
                place = self.flow.place(other, self.scope)
                if not isinstance(operand, ast.Constant) or isinstance(operand.value, str):
                    self.flow.into(operand, Use("compare", place, detail=short(other)), self.scope)
            self.expr(operand, "Compare")

    def _choice(self, node: ast.IfExp, parent: str) -> None:
        conditions, has_else = guards.chain(node, self.condition)
        saved = self.guards
        self.under(guards.whole(conditions, has_else, *self.span(node.test)))
        self._ternary(node, conditions, has_else, 0)
        self.guards = saved

    def _ternary(self, node: ast.IfExp, conditions: list[guards.Condition], has_else: bool, index: int) -> None:
        self.expr(node.test, "test")
        start, end = self.span(node.test)
        saved = self.guards
        self.tell(node.test, [node.body])
        self.tell(node.test, [node.orelse], holds=False)
        self.under(guards.arm(conditions, index, has_else, start, end))
        self.expr(node.body, "IfExp")
        self.guards = saved
        if isinstance(node.orelse, ast.IfExp):
            self._ternary(node.orelse, conditions, has_else, index + 1)
            return
        self.under(guards.arm(conditions, len(conditions), has_else, start, end))
        self.expr(node.orelse, "IfExp")
        self.guards = saved

    def _boolean(self, node: ast.BoolOp, parent: str) -> None:
        for i, value in enumerate(node.values):
            self.expr(value, "BoolOp")
            self.tell(value, node.values[i + 1 :], holds=isinstance(node.op, ast.And))

    def _dict(self, node: ast.Dict, parent: str) -> None:
        if not any(id(key) in self.flow.uses for key in node.keys):
            self.flow.into(node, Use("entry"), self.scope)
        saved = self.guards
        start, _ = self.span(node)
        handled = any(_is_text(key, "neuron") for key in node.keys)
        if handled:
            self.under(Guard("handled", start, start, ("neuron",), True))
        for key, value in zip(node.keys, node.values, strict=True):
            if key is not None:
                self.expr(key, "Dict")
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                self.prepared(key.value, value)
            around = self.guards
            if _is_text(key, "cuda") and not handled and isinstance(value, _LOOKED_UP):
                self.under(Guard("entry", start, start, (), False))
            self.expr(value, "Dict")
            self.guards = around
        self.guards = saved

    def _subscript(self, node: ast.Subscript, parent: str) -> None:
        """``state["scale"]``: some keys are known of what has them, as methods are."""
        key = node.slice.value if isinstance(node.slice, ast.Constant) else None
        if isinstance(key, str) and f"[{key}]" in self.watch.methods and isinstance(node.ctx, ast.Load):
            self.found.append(Found("method", f".[{key}]", node, self.moment(parent, "load"), receiver=node.value))
        self.children(node)

    def _lambda(self, node: ast.Lambda, parent: str) -> None:
        saved = self.scope
        scope = self.binder.function_scope(node, self.scope, f"<lambda:{node.lineno}>")
        self.parameters(node.args, scope)
        self.scope = scope
        self.flow.into(node.body, Use("return", f"r:{scope.qualified}"), scope)
        self.expr(node.body, "Lambda")
        self.scope = saved

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp, parent: str) -> None:
        saved = self.scope
        scope = Scope("comprehension", self.scope.qualified, node, self.scope)
        self.binder.scopes[node] = scope
        self.expr(node.generators[0].iter, "comprehension")
        self.scope = scope
        for i, generator in enumerate(node.generators):
            self.binder.target(generator.target, generator.iter, scope, "iter")
            if i:
                self.expr(generator.iter, "comprehension")
            for test in generator.ifs:
                self.expr(test, "test")
                self.tell(test, [node])
        self.loops += 1
        for value in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            self.expr(value, "comprehension")
        self.loops -= 1
        self.scope = saved

    def _walrus(self, node: ast.NamedExpr, parent: str) -> None:
        owner = self.scope
        while owner.kind == "comprehension" and owner.parent is not None:
            owner = owner.parent
        owner.bind(node.target.id, Definition("value", node.value, self.scope))
        self.flow.into(node.value, Use("assign", self.flow.place(node.target, self.scope)), self.scope)
        self.expr(node.value, "NamedExpr")

    def _is_label(self, node: ast.expr) -> bool:
        """Whether a text stands in a list of what a distribution is found by, and needs nothing of it."""
        start, _ = self.span(node)
        return _LABELS.search(self.text, self.text.rfind(b"\n\n", 0, start) + 1, start) is not None

    def string(self, node: ast.expr, value: str, parent: str) -> None:
        """A text that mentions CUDA, by what kind of text it is."""
        if self.is_setup and parent in ("List", "Tuple", "Set") and not self._is_label(node):
            self.found.append(Found("requirement", value, node, self.moment(parent, "text")))
        kind, name = self.watch.text_kind(value)
        if kind is None:
            return
        use = self.flow.uses.get(id(node)) or Use("text")
        if use.use == "dynamic":
            return
        if use.use == "attribute" or (kind == "command" and not _runs(value, use)):
            kind = "string"
        self.found.append(Found(kind, name, node, self.moment(parent, "text"), use=use, detail=use.detail))

    def _joined(self, node: ast.JoinedStr, parent: str) -> None:
        parts = [p.value if isinstance(p, ast.Constant) else "{}" for p in node.values]
        saved = self.fstring
        self.fstring = node
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                self.expr(part.value, "FormattedValue")
        self.fstring = saved
        self.string(node, "".join(str(p) for p in parts), parent)

    def parameters(self, arguments: ast.arguments, scope: Scope) -> None:
        """Defaults flow into their parameters."""
        positional = [*arguments.posonlyargs, *arguments.args]
        pairs = list(zip(positional[len(positional) - len(arguments.defaults) :], arguments.defaults, strict=True))
        pairs += [(a, d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is not None]
        for arg, default in pairs:
            use = Use("default", f"p:{scope.qualified}.{arg.arg}", detail=arg.arg)
            self.flow.into(default, use, self.scope)
            self.expr(default, "default")
        for arg in [*positional, *arguments.kwonlyargs]:
            self.annotation(arg.annotation)

    def annotation(self, node: ast.AST | None) -> None:
        """Visit an annotation: names count, texts do not."""
        if isinstance(node, (ast.Attribute, ast.Name)):
            self.chain(node, "annotation", role="annotation", descend=False)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            self.string(node, node.value, "annotation")
        elif node is not None:
            for part in ast.iter_child_nodes(node):
                self.annotation(part)


_EXPRESSIONS: dict[type, Callable[..., None]] = {
    ast.Compare: Expressions._compare,
    ast.IfExp: Expressions._choice,
    ast.BoolOp: Expressions._boolean,
    ast.Dict: Expressions._dict,
    ast.Lambda: Expressions._lambda,
    ast.Subscript: Expressions._subscript,
    ast.JoinedStr: Expressions._joined,
    ast.NamedExpr: Expressions._walrus,
    **dict.fromkeys(COMPREHENSIONS, Expressions._comprehension),
}


def _runs(value: str, use: Use) -> bool:
    """Whether a text that begins like a command is one: it has arguments, or goes to what runs commands."""
    return use.use not in ("compare", "key", "text") and (" " in value or _RUNNERS.search(use.detail) is not None)


def _is_text(node: ast.expr | None, value: str) -> bool:
    return isinstance(node, ast.Constant) and node.value == value
