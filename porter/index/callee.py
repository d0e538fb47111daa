"""Where the arguments of a call go: into a device, a backend, a parameter of the repository, an option."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from porter.index import sinks
from porter.index.names import Reference
from porter.index.scope import spelled
from porter.index.values import Use

if TYPE_CHECKING:
    from porter.index.collect import Collector

_OPTIONS = frozenset({"add_argument", "add_option", "option"})
_FLAGS = frozenset({"DEFINE_string", "DEFINE_enum"})
_COMPARING = frozenset({"startswith", "endswith", "__contains__"})
_ASSERTING = frozenset({"assertEqual", "assertEquals", "assertIn", "assertNotEqual", "assertNotIn"})
_SEARCHING = frozenset({"partition", "removeprefix", "replace", "rpartition", "rsplit", "split"})  # what comes first
_COLLECTING = frozenset({"append", "appendleft", "add", "extend"})  # what they are given, the receiver holds
_NOWHERE = Use("argument")
LITERALS = (
    ast.Constant,
    ast.JoinedStr,
    ast.List,
    ast.Tuple,
    ast.Set,
    ast.Dict,
    ast.IfExp,
    ast.BoolOp,
    ast.BinOp,
    ast.Call,
)


class Callee:
    """Where the arguments of one call go."""

    def __init__(self, visitor: Collector, node: ast.Call, reference: Reference | None) -> None:
        self.name = reference.qualified if reference is not None else ""
        self.method = ""
        self.chosen = ""  # one of several callables that the name may stand for: the one that takes a device
        self.owner = self.name  # qualified name of the function called, as far as it is known
        func = node.func
        self.short = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
        self.before = 0  # arguments of the call's own, in front of those that it hands on
        if self.name == "functools.partial" and node.args:
            bound = visitor.reference(node.args[0])
            if bound is not None and bound.qualified.startswith("torch."):
                self.name, self.before = bound.qualified, 1
        self.device = sinks.DEVICE.get(self.name)
        self.backend = sinks.BACKEND.get(self.name)
        self.option: str | None = None
        self.compared: Use | None = None
        self.sides: tuple[Use, ...] = ()  # what each of the first two arguments is compared with
        self.searching = False
        self.held: Use | None = None
        self.by_name: str | None = None
        if self.short in sinks.BY_NAME and reference is None and isinstance(func, ast.Name) and len(node.args) > 1:
            known = visitor.reference(node.args[0])  # a name that is looked up in torch is that of a device, as likely
            self.by_name = "attribute" if known is None or not known.qualified.startswith("torch") else None
        if reference is not None:
            if not self.name.startswith("torch."):
                visitor.inference.calls.setdefault(self.name, []).append((node, visitor.scope))
                self._hand_on(visitor, node)
        elif isinstance(func, ast.Attribute):
            self._as_method(visitor, func, node.args)
        elif isinstance(func, ast.Name):
            self._as_choice(visitor, func)
            binding = visitor.scope.lookup(func.id)
            if binding is not None and binding.definitions[0].kind == "param":
                visitor.inference.called.setdefault(binding, []).append((node, visitor.scope))
        elif isinstance(func, ast.Call) and node.keywords:
            self._as_looked_up(visitor, func)
        if self.short in _OPTIONS or self.short in _FLAGS:
            self.option = option_name(node)
            if self.option is not None:
                visitor.flow.options.add(self.option)

    def _hand_on(self, visitor: Collector, node: ast.Call) -> None:
        """Note the functions that the call is given, for whoever is called to call."""
        for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
            given = visitor.reference(argument) if type(argument) is ast.Name else None
            if given is not None:
                visitor.inference.handed.setdefault(given.qualified, []).append((self.name, node))

    def _as_method(self, visitor: Collector, func: ast.Attribute, given: list[ast.expr]) -> None:
        self.device = sinks.METHODS.get(func.attr)
        self.method = f".{func.attr}"
        owner = visitor.inference.owner(func.value, visitor.scope)
        if owner is not None:
            self.owner = f"{owner}.{func.attr}"
        self.searching = func.attr in _SEARCHING
        if func.attr in _COLLECTING and owner is None:
            place = visitor.flow.place(func.value, visitor.scope)
            self.held = Use("element", place) if place is not None else None
        if self.searching or func.attr in _COMPARING:
            place = visitor.flow.place(func.value, visitor.scope)
            self.compared = Use("compare", place, detail=short(func.value))
        if func.attr in _ASSERTING and len(given) > 1:
            places = ((other, visitor.flow.place(other, visitor.scope)) for other in (given[1], given[0]))
            self.sides = tuple(Use("compare", place, detail=short(other)) for other, place in places)

    def _as_choice(self, visitor: Collector, func: ast.Name) -> None:
        names = visitor.inference.either(func, visitor.scope)
        self.chosen = next((name for name in names if name in sinks.DEVICE), "")
        self.device = sinks.DEVICE.get(self.chosen)

    def _as_looked_up(self, visitor: Collector, func: ast.Call) -> None:
        """``getattr(module, "init_" + kind)(device=...)``: any function of the module that is called so may take it."""
        match func:
            case ast.Call(ast.Name("getattr"), [ast.Name() as base, name]) if known := visitor.reference(base):
                visitor.flow.edges.append(("k:*", f"p:{known.qualified}.{_opening(name)}*.**"))

    def positional(self, index: int, argument: ast.expr) -> Use:
        """What positional argument ``index`` (from 0) is used for."""
        if self.compared is not None and (not self.searching or (index == 0 and isinstance(argument, ast.Constant))):
            return self.compared
        if index < len(self.sides) and isinstance(argument, LITERALS):
            return self.sides[index]
        if self.held is not None and index == 0:
            return self.held
        if index == 1 and self.short in sinks.BY_NAME and not self.name and not self.method:
            return Use("attribute", None, self.by_name, detail=self.label)
        for sink, kind in ((self.device, "device"), (self.backend, "backend")):
            if sink is not None and sink[1] == index - self.before:
                return self._sink(kind, sink[0])
        if self.option is not None:
            flag_default = self.short in _FLAGS and index == 1
            return Use("option", f"k:{self.option}", detail=self.option) if flag_default else Use("text")
        if not self.owner and not isinstance(argument, LITERALS):
            return _NOWHERE
        function = self.owner or (f"?{self.method}" if self.method else "")
        return Use("argument", f"p:{function}.#{index}" if function else None, detail=self.label)

    def keyword(self, keyword: ast.keyword) -> Use:
        """What a keyword argument is used for."""
        name = keyword.arg
        if name is None:
            return Use("argument", detail=self.label)
        for sink, kind in ((self.device, "device"), (self.backend, "backend")):
            if sink is not None and sink[0] == name:
                return self._sink(kind, name)
        if self.name.startswith("torch.") and name in sinks.TORCH_KEYWORDS:
            return self._sink("device", name)
        if self.name.startswith("torch.distributed") and name == "backend":
            return self._sink("backend", name)
        if self.option is not None:
            return Use(
                "option" if name in ("default", "choices", "const") else "text", f"k:{self.option}", detail=self.option
            )
        place = f"p:{self.owner}.{name}" if self.owner else f"k:{name}"
        likely = name in sinks.LIKELY_KEYWORDS
        if likely and self.owner.partition(".")[0] in sinks.FOREIGN:
            return Use("keyword", place, detail=f"`{self.owner}()`")
        return Use("keyword", place, "device" if likely else None, not likely, f"{name}=")

    def _sink(self, kind: str, parameter: str) -> Use:
        use = "map_location" if parameter == "map_location" else "argument"
        return Use(use, None, kind, not self.chosen, self.label)

    @property
    def label(self) -> str:
        """The callee as a reader would write it."""
        return f"`{self.name or self.method or self.chosen or self.short}()`"


def started(node: ast.Call, name: str) -> tuple[ast.expr, list[ast.expr], int] | None:
    """The function that a call of ``name`` starts, what it hands it, and how many arguments come before these.

    ``spawn(run, args=("cuda",))`` puts the process's number first, ``Thread(target=run, args=("cuda",))`` nothing.
    """
    offset = sinks.STARTERS.get(name, 0)
    if not offset and not any(keyword.arg == "target" for keyword in node.keywords):
        return None
    given = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg is not None}
    if offset:
        given = dict(zip(("fn", "args"), node.args, strict=False)) | given
    function, arguments = given.get("fn" if offset else "target"), given.get("args")
    if function is None or not isinstance(arguments, (ast.Tuple, ast.List)):
        return None
    plain = [] if any(isinstance(e, ast.Starred) for e in arguments.elts) else arguments.elts
    return function, plain, offset


def _opening(name: ast.expr) -> str:
    """What a name that is put together begins with: ``"init_" + kind``, ``"init_%s" % kind``, ``f"init_{kind}"``."""
    match name:
        case ast.BinOp(left=ast.Constant(str(text))) | ast.JoinedStr([ast.Constant(str(text)), *_]):
            return text.partition("%")[0]
        case ast.Call(ast.Attribute(ast.Constant(str(text)), "format")):
            return text.partition("{")[0]
    return ""


def option_name(node: ast.Call) -> str | None:
    """The attribute that an option's value ends up in: ``--local-rank`` is ``local_rank``."""
    for keyword in node.keywords:
        if keyword.arg == "dest" and isinstance(keyword.value, ast.Constant):
            return str(keyword.value.value)
    texts = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    if isinstance(node.func, ast.Attribute) and node.func.attr in _FLAGS:
        return texts[0] if texts else None
    long = [t for t in texts if t.startswith("--")] or [t for t in texts if t]
    return long[0].lstrip("-").split("/")[0].replace("-", "_") if long else None


def parametrized(node: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    """What ``pytest.mark.parametrize`` gives to the parameters of a test: names and values."""
    first, values = node.args[:2]
    if isinstance(first, ast.Constant):
        names = [name.strip() for name in str(first.value).split(",")]
    else:
        names = [str(n.value) for n in getattr(first, "elts", ()) if isinstance(n, ast.Constant)]
    rows = values.elts if isinstance(values, ast.List | ast.Tuple) else [values][: len(names) == 1]
    for row in rows:
        if isinstance(row, ast.Call) and getattr(row.func, "attr", "") == "param":
            yield from zip(names, row.args, strict=False)
        elif len(names) == 1:
            yield names[0], row
        elif isinstance(row, ast.List | ast.Tuple):
            yield from zip(names, row.elts, strict=False)


def short(node: ast.expr) -> str:
    """An expression as messages show it."""
    text = spelled(node)
    return text if len(text) <= 60 else text[:57] + "..."
