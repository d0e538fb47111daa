"""What a name of one function is called in another function of the file: by scope, and by what its callers pass."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from porter.index.outline import Function, Outline, dotted
from porter.rules.precision.forward import binds, reads, variable

_FLAG = r"""--{0}["'][^)]*action=["']store_(?:true|false)|\b{1}\s*:\s*bool\b"""


class Names:
    """The names of a file. Homes are functions, or the module."""

    def __init__(self, outline: Outline, text: bytes) -> None:
        """``text`` is what the outline was made of."""
        self._outline = outline
        self._text = text.decode()
        self._own: dict[ast.AST, set[str]] = {}  # the names of a function's own, found when first asked for
        self._around: dict[int, list[ast.AST]] = {}
        self._functions: dict[str, list[ast.FunctionDef]] = {}
        for node in outline.nodes:
            if isinstance(node, ast.FunctionDef):
                self._functions.setdefault(node.name, []).append(node)

    def function(self, offset: int) -> ast.AST:
        """The home of what stands at a place."""
        return self._outline.innermost(offset) or self._outline.tree

    def seen_as(self, name: str, offset: int, home: ast.AST) -> str | None:
        """What a variable of a place is called in ``home``; None where it is not known there.

        It is the same name where both mean the same scope's, and a parameter where every call passes the variable.
        """
        if self._owner(name, offset) is self._owner(name, self._inside(home)):
            return name
        if not isinstance(home, Function):
            return None
        found = {self._parameter(call, home, name, offset) for call in self._calls_of(home)}
        return found.pop() if len(found) == 1 else None

    def holds(self, condition: str, offset: int, home: ast.AST) -> bool:
        """Whether a condition that is asked at a place means the same in ``home``, later on."""
        test = ast.parse(condition, mode="eval")
        names = {variable(n) for n in ast.walk(test) if isinstance(n, ast.Name | ast.Attribute)} - {None, "self"}
        if any(name is not None and self.seen_as(name, offset, home) != name for name in names):
            return False
        told = {ast.unparse(n) for n in ast.walk(test) if isinstance(n, ast.Name | ast.Attribute | ast.Subscript)}
        return not any(ast.unparse(node) in told and self._comes_after(node, offset) for node in self._stores())

    def is_bool(self, condition: str) -> bool:
        """Whether the file says that a variable is true or false: by a flag of its command line, or an annotation."""
        name = re.escape(condition.rpartition(".")[2])
        option = name.replace("_", "[-_]")
        return re.search(_FLAG.format(option, name), self._text) is not None

    def wrapped(self, models: set[str], offset: int) -> set[str]:
        """The models, and what the same function makes of them: ``parallel = DistributedDataParallel(model)``."""
        home, found = self.function(offset), set(models)
        for node in ast.walk(home):
            if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and self._is_in(node, home)):
                continue
            if any(variable(given) in found for given in _given(node.value)):
                found |= binds(node)
        return found

    def passes_through(self, call: ast.Call, models: set[str], offset: int) -> bool:
        """Whether a call is of a model or its method, is given one, or is of a function of the file that calls one."""
        if variable(call.func) in models or any(variable(given) in models for given in _given(call)):
            return True
        called = self._functions.get((dotted(call.func) or "").removeprefix("self."), ())
        return any(self._calls_one(function, models, offset) for function in called)

    def _calls_one(self, function: ast.AST, models: set[str], offset: int) -> bool:
        known = {m for m in models if self._owner(m, offset) is self._owner(m, self._inside(function))}
        calls = (n for n in ast.walk(function) if isinstance(n, ast.Call))
        return any(variable(call.func) in known or reads(call) & known for call in calls)

    def _calls_of(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.Call]:
        names = (function.name, f"self.{function.name}")
        return (n for n in self._outline.nodes if isinstance(n, ast.Call) and dotted(n.func) in names)

    def _parameter(
        self, call: ast.Call, function: ast.FunctionDef | ast.AsyncFunctionDef, name: str, offset: int
    ) -> str | None:
        """The parameter by which a call passes a variable."""
        start = self._outline.span(call).start
        parameters = [p.arg for p in (*function.args.posonlyargs, *function.args.args)]
        parameters = parameters[1:] if isinstance(call.func, ast.Attribute) else parameters
        given = [*zip(parameters, call.args, strict=False), *((k.arg, k.value) for k in call.keywords)]
        passed = (parameter for parameter, value in given if dotted(value) == name)
        same = self._owner(name, start) is self._owner(name, offset)
        return next(passed, None) if same and not any(isinstance(a, ast.Starred) for a in call.args) else None

    def _owner(self, name: str, offset: int) -> ast.AST:
        """The function, class or module whose variable a name is at a place."""
        if offset not in self._around:
            self._around[offset] = [n for n in self._outline.around(offset) if isinstance(n, Function | ast.ClassDef)]
        around = reversed(self._around[offset])
        if name.startswith("self."):
            return next((n for n in around if isinstance(n, ast.ClassDef)), self._outline.tree)
        return next((n for n in around if isinstance(n, Function) and name in self._names(n)), self._outline.tree)

    def _names(self, function: Function) -> set[str]:
        """The variables and parameters of a function."""
        if function not in self._own:
            declared = {name for n in ast.walk(function) if isinstance(n, ast.Global) for name in n.names}
            self._own[function] = self._outline.own(function) - declared
        return self._own[function]

    def _inside(self, home: ast.AST) -> int:
        return self._outline.span(home.body[0]).start if isinstance(home, Function) else 0

    def _is_in(self, node: ast.AST, home: ast.AST) -> bool:
        return self.function(self._outline.span(node).start) is home

    def _stores(self) -> Iterator[ast.Name | ast.Attribute | ast.Subscript]:
        named = (n for n in self._outline.nodes if isinstance(n, ast.Name | ast.Attribute | ast.Subscript))
        return (n for n in named if isinstance(n.ctx, ast.Store))

    def _comes_after(self, node: ast.expr, offset: int) -> bool:
        """Whether a variable may be set after a place has been passed, and is the one that is meant there."""
        start = self._outline.span(node).start
        name = variable(node) or ""
        if self._owner(name, start) is not self._owner(name, offset):
            return False
        in_order = self.function(start) in (self.function(offset), self._outline.tree)
        return start > offset or not in_order


def _given(call: ast.Call) -> Iterator[ast.expr]:
    """The arguments of a call that are plain variables."""
    for value in (*call.args, *(keyword.value for keyword in call.keywords)):
        if dotted(value) is not None:
            yield value
