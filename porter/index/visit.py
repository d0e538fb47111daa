"""The second pass over a file, statements: what guards, loops and scopes its expressions stand in."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from porter.index import guards, sinks
from porter.index.callee import option_name, parametrized
from porter.index.collect import WORD, Found
from porter.index.expressions import Expressions
from porter.index.infer import Inference
from porter.index.scope import Binder, Scope
from porter.index.site import Guard
from porter.index.values import Use
from porter.index.watch import Watch
from porter.sources.source import Source

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Visitor(Expressions):
    """Walks one module."""

    def __init__(self, tree: ast.Module, binder: Binder, inference: Inference, watch: Watch, source: Source) -> None:
        """Walks at once: see ``found``, and ``flow`` for edges and marks."""
        super().__init__(tree, binder, inference, watch, source)
        self.row = guards.Row()  # of ``if``s, that is being visited
        self.serves_neuron = guards.serves_neuron(self.text, 0, len(self.text))
        self.block(tree.body)

    def block(self, body: list[ast.stmt]) -> None:
        """Visit statements of one block."""
        saved = self.statement, self.siblings, self.guards
        after, row = 0, guards.Row()
        for i, node in enumerate(body):
            self.statement, self.siblings = node, len(body)
            if i >= after and isinstance(node, ast.If):
                after, row = guards.row(body, i, self.condition)
            self.row = row if i < after else guards.Row()
            handler = _STATEMENTS.get(type(node))
            if handler is not None:
                handler(self, node)
            else:
                self.children(node)
            if self.tells and isinstance(node, (ast.Assert, ast.If)):
                self._told(node, body[i + 1 :])
        self.statement, self.siblings, self.guards = saved

    def _told(self, node: ast.Assert | ast.If, behind: list[ast.stmt]) -> None:
        """What a test tells of objects in the rest of its block: it holds, or the program is not there."""
        if isinstance(node, ast.Assert):
            self.tell(node.test, behind)
        elif not node.orelse and guards.exits(node.body):
            self.tell(node.test, behind, holds=False)

    def guarded(self, guard: Guard | None, body: list[ast.stmt]) -> None:
        """Visit a block under a guard."""
        saved = self.guards
        if guard is not None:
            self.guards = (guard, *saved)
        self.block(body)
        self.guards = saved

    def _expr_statement(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):
            self.expr(node.value, "Expr")

    def _assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._flow_assign(target, node.value)
            self.target(target)
        if len(node.targets) > 1:  # a = b = "cuda"
            first, *others = (self.flow.place(target, self.scope) for target in node.targets)
            self.flow.edges += ((first, place) for place in others if first is not None and place is not None)
        self.expr(node.value, "Assign")

    def _flow_assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, (ast.Tuple, ast.List)):
            if isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(target.elts):
                for one, other in zip(target.elts, value.elts, strict=True):
                    self._flow_assign(one, other)
            return
        place = self.flow.place(target, self.scope)
        name = _last_name(target)
        likely = isinstance(target, ast.Subscript) and name in sinks.LIKELY_KEYWORDS
        use = "field" if self.scope.kind == "class" else "assign"
        self.flow.into(value, Use(use, place, "device" if likely else None, not likely, name), self.scope)
        if use == "field":
            self._default_of_base(name, value)
        elif isinstance(target, ast.Subscript):
            self.prepared(name, value)

    def _default_of_base(self, name: str, value: ast.expr) -> None:
        """``fp16: bool = field(default=True)`` in a data class of TrainingArguments: what its constructor takes."""
        node = self.scope.node
        if not isinstance(node, ast.ClassDef) or not any(_is_dataclass(decorator) for decorator in node.decorator_list):
            return
        defaults = (k.value for k in value.keywords if k.arg == "default") if isinstance(value, ast.Call) else ()
        for base in node.bases:
            reference = self.reference(base)
            if reference is not None and name in self.watch.arguments.get(reference.qualified, ()):
                self._argument_site(None, f"{reference.qualified}({name})", next(iter(defaults), value))

    def _aug_assign(self, node: ast.AugAssign) -> None:
        self._flow_assign(node.target, node.value)
        self.target(node.target)
        self.expr(node.value, "Assign")

    def _ann_assign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._flow_assign(node.target, node.value)
            self.expr(node.value, "Assign")
        self.target(node.target)
        self.annotation(node.annotation)

    def target(self, node: ast.expr) -> None:
        """Visit an assignment target: attributes of watched names are stores."""
        if isinstance(node, ast.Attribute):
            self.chain(node, "Assign", role="store")
        elif isinstance(node, (ast.Tuple, ast.List)):
            for element in node.elts:
                self.target(element)
        elif isinstance(node, ast.Subscript):
            self.expr(node.value, "Subscript")
            self.expr(node.slice, "Target")
        elif isinstance(node, ast.Starred):
            self.target(node.value)

    def _return(self, node: ast.Return) -> None:
        if node.value is not None:
            function = self.scope.enclosing("function")
            place = f"r:{function.qualified}" if function is not None else None
            self.flow.into(node.value, Use("return", place), self.scope)
            self.expr(node.value, "Return")

    def _if(self, node: ast.If) -> None:
        conditions, has_else = guards.chain(node, self.condition)
        start, end = self.span(node.test)
        saved = self.guards
        self.under(guards.in_row(conditions[0], node, self.row, start, end))
        self.under(guards.whole(conditions, has_else, start, end))
        self._arms(node, conditions, has_else, 0)
        self.guards = saved
        self.under(guards.behind(node, conditions, start, end))  # until the end of the block

    def _arms(self, node: ast.If, conditions: list[guards.Condition], has_else: bool, index: int) -> None:
        self.expr(node.test, "test")
        start, end = self.span(node.test)
        self.tell(node.test, node.body)
        self.tell(node.test, node.orelse, holds=False)
        self.guarded(guards.arm(conditions, index, has_else, start, end), node.body)
        if len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
            self.statement, saved = node.orelse[0], self.guards
            self.under(guards.denied(conditions, index, start, end))
            self._arms(node.orelse[0], conditions, has_else, index + 1)
            self.guards = saved
        elif node.orelse:
            self.guarded(guards.arm(conditions, len(conditions), has_else, start, end), node.orelse)

    def _loop(self, node: ast.For | ast.AsyncFor) -> None:
        for target, value in self._drawn(node):
            self.flow.into(value, Use("element", self.flow.place(target, self.scope)), self.scope)
        self.expr(node.iter, "For")
        self.target(node.target)
        self._looped(node)

    def _drawn(self, node: ast.For | ast.AsyncFor) -> Iterator[tuple[ast.expr, ast.expr]]:
        """What a loop's variables are drawn from: ``for n, device in product(sizes, devices)``, ``[(1, "cuda")]``."""
        targets = node.target.elts if isinstance(node.target, ast.Tuple) else []
        match node.iter:
            case ast.Call(func=func, args=values, keywords=[]) if targets and not _is_spread(*targets, *values):
                found = self.flow.inference.reference(func, self.scope)
                name = found.qualified if found else getattr(func, "id", "")
                if name in ("zip", "itertools.product") and len(values) == len(targets):
                    yield from zip(targets, values, strict=True)
                    return
                if name == "enumerate" and len(values) == 1:
                    yield targets[-1], values[0]
                    return
            case ast.List(elts=rows) | ast.Tuple(elts=rows) if targets and not _is_spread(*targets, *rows):
                for row in rows:
                    if isinstance(row, ast.Tuple) and len(row.elts) == len(targets) and not _is_spread(*row.elts):
                        yield from zip(targets, row.elts, strict=True)
                    else:
                        yield node.target, row
                return
        yield node.target, node.iter

    def _while(self, node: ast.While) -> None:
        self.expr(node.test, "test")
        self._looped(node)

    def _looped(self, node: ast.For | ast.AsyncFor | ast.While) -> None:
        self.loops += 1
        self.block(node.body)
        self.loops -= 1
        self.block(node.orelse)

    def _with(self, node: ast.With | ast.AsyncWith) -> None:
        for item in node.items:
            self.expr(item.context_expr, "With")
            if item.optional_vars is not None:
                self.target(item.optional_vars)
        self.block(node.body)

    def _try(self, node: ast.Try) -> None:
        guard = fallback = None
        if guards.catches_import_error(node):
            start, _ = self.span(node)
            guard = Guard("import", start, start, (), True)
            imports = any(isinstance(s, (ast.Import, ast.ImportFrom)) for s in node.body)
            fallback = Guard("fallback", start, start, (), True) if imports else guard
        elif guards.catches_missing_name(node, self.text, self.span(node.body[0])[0], self.span(node.body[-1])[1]):
            start, _ = self.span(node)
            fallback = Guard("old", start, start, (), True)
        self.guarded(guard, node.body)
        for handler in node.handlers:
            if handler.type is not None:
                self.statement = handler
                self.expr(handler.type, "ExceptHandler")
            self.guarded(fallback, handler.body)
        self.guarded(guard, node.orelse)
        self.block(node.finalbody)

    def _match(self, node: ast.Match) -> None:
        self.expr(node.subject, "Match")
        place = self.flow.place(node.subject, self.scope)
        use = Use("compare", place, detail=ast.unparse(node.subject)[:60])
        for case in node.cases:
            for part in ast.walk(case.pattern):
                if isinstance(part, ast.MatchValue):
                    self.flow.into(part.value, use, self.scope)
                    self.expr(part.value, "Match")
            if case.guard is not None:
                self.expr(case.guard, "test")
            self.block(case.body)

    def _import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.imported(alias, alias.name)

    def _import_from(self, node: ast.ImportFrom) -> None:
        module = self.binder.absolute(node)
        for alias in node.names:
            self.imported(alias, module if alias.name == "*" else f"{module}.{alias.name}")

    def imported(self, alias: ast.alias, qualified: str) -> None:
        """An import of a watched name is a site."""
        name = self.brought(qualified)
        if name is None and alias.asname is not None and WORD.search(alias.asname):
            name = qualified
        if name is not None:
            self.found.append(Found("symbol", name, alias, self.moment("Import", "import"), alias=alias))

    def _class(self, node: ast.ClassDef) -> None:
        for base in node.bases:
            self.expr(base, "ClassDef", role="base")
        for keyword in node.keywords:
            self.expr(keyword.value, "ClassDef")
        for decorator in node.decorator_list:
            self.expr(decorator, "decorator", role="decorator")
        guard = self._test_guard(node.decorator_list)
        self._inside(self.binder.scopes[node], node.body, guard)

    def _function(self, node: Function) -> None:
        for decorator in node.decorator_list:
            self._decorator(decorator, node)
        scope = self.binder.scopes[node]
        self.parameters(node.args, scope)
        self.annotation(node.returns)
        guard = self._test_guard(node.decorator_list)
        start, end = self.span(node)
        if self.serves_neuron and guards.serves_neuron(self.text, start, end):
            guard = Guard("handled", start, start, ("neuron",), True)
        self._inside(scope, node.body, guard)

    def _decorator(self, decorator: ast.expr, node: Function) -> None:
        """A click option becomes a parameter; pytest's parametrize fills one."""
        if isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Attribute):
            scope = self.binder.scopes[node]
            name = decorator.func.attr
            if name == "option" and (option := option_name(decorator)):
                self.flow.edges.append((f"k:{option}", f"p:{scope.qualified}.{option}"))
            if name == "parametrize" and len(decorator.args) >= 2:
                for given, value in parametrized(decorator):
                    use = Use("element", f"p:{scope.qualified}.{given}", detail="parametrize")
                    self.flow.into(value, use, self.scope)
            for keyword in decorator.keywords:
                if name == "fixture" and keyword.arg == "params":
                    self.flow.into(keyword.value, Use("argument", "k:param", detail="params"), self.scope)
        self.expr(decorator, "decorator", role="decorator")

    def _test_guard(self, decorators: list[ast.expr]) -> Guard | None:
        deciding = [self.span(decorator) for decorator in decorators if guards.is_test_decorator(decorator)]
        return Guard("test", deciding[0][0], deciding[-1][1], (), False) if deciding else None

    def _inside(self, scope: Scope, body: list[ast.stmt], guard: Guard | None) -> None:
        saved = self.scope, self.loops
        self.scope, self.loops = scope, 0
        self.guarded(guard, body)
        self.scope, self.loops = saved


_STATEMENTS: dict[type, Callable[..., None]] = {
    ast.Expr: Visitor._expr_statement,
    ast.Assign: Visitor._assign,
    ast.AnnAssign: Visitor._ann_assign,
    ast.AugAssign: Visitor._aug_assign,
    ast.Return: Visitor._return,
    ast.If: Visitor._if,
    ast.For: Visitor._loop,
    ast.AsyncFor: Visitor._loop,
    ast.While: Visitor._while,
    ast.With: Visitor._with,
    ast.AsyncWith: Visitor._with,
    ast.Try: Visitor._try,
    ast.Match: Visitor._match,
    ast.Import: Visitor._import,
    ast.ImportFrom: Visitor._import_from,
    ast.ClassDef: Visitor._class,
    ast.FunctionDef: Visitor._function,
    ast.AsyncFunctionDef: Visitor._function,
}
if hasattr(ast, "TryStar"):
    _STATEMENTS[ast.TryStar] = Visitor._try


def _is_spread(*nodes: ast.expr) -> bool:
    """Whether one of several is spread, so that their places say nothing."""
    return any(isinstance(node, ast.Starred) for node in nodes)


def _is_dataclass(decorator: ast.expr) -> bool:
    return _last_name(decorator.func if isinstance(decorator, ast.Call) else decorator) == "dataclass"


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return str(node.slice.value)
    return ""
