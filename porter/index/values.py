"""Where values flow: edges between places, and what each telling string is used for.

The visitor calls `Flow.into` for every expression whose destination it knows (an assignment, an argument,
a comparison); `Flow` follows the expression through whatever hands its value on.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from porter.index import sinks
from porter.index.infer import Inference
from porter.index.names import Reference
from porter.index.scope import Scope, instance_class
from porter.index.summary import Mark

if TYPE_CHECKING:
    from porter.index.callee import Callee

_DEVICES = frozenset({"mps", "npu", "xpu"})  # what is compared with these is a device
_PLATFORMS = frozenset({"amd", "hip", "nvidia", "rocm"})  # and with these no device of PyTorch's: ROCm's are `cuda`
_GETTERS = {"get", "pop", "setdefault", "getenv", "getattr"}


class Use(msgspec.Struct, frozen=True):
    """What becomes of a value. ``use`` is one of

    assign, return, default, field, option, argument, keyword, compare, key, entry, element, text.
    """

    use: str
    place: str | None = None
    sink: str | None = None  # "device", "backend" or "attribute"
    certain: bool = True
    detail: str = ""


class Flow:
    """Collects edges and marks of one file, and the use of each literal."""

    def __init__(self, inference: Inference) -> None:
        self.inference = inference
        self.edges: list[tuple[str, str]] = []
        self.marks: list[Mark] = []
        self.uses: dict[int, Use] = {}  # by id of the literal's node
        self.options: set[str] = set()  # of the command line, as attributes

    def into(self, node: ast.expr, use: Use, scope: Scope) -> None:
        """Follow the value of ``node`` to where ``use`` says it goes."""
        handler = _HANDLERS.get(type(node))
        if handler is not None:
            handler(self, node, use, scope)

    def _literal(self, node: ast.Constant | ast.JoinedStr, use: Use, scope: Scope) -> None:
        if use.sink is None and id(node) in self.uses:
            return  # what surrounds the call knows better where its arguments go: see `sinks.CARRIERS`
        self.uses[id(node)] = use
        text = _text(node)
        if use.use == "compare" and use.place is not None and text == "gpu":
            self.marks.append(Mark(use.place, "gpu", f"`{use.detail}`, line {node.lineno}"))
        elif use.use == "compare" and use.place is not None and text in _DEVICES:
            why = f'compared with `"{text}"` in line {node.lineno}'
            self.marks.append(Mark(use.place, "device", why, certain=False))
        elif use.use == "compare" and use.place is not None and text in _PLATFORMS:
            self.marks.append(Mark(use.place, "platform", f"`{use.detail}`, line {node.lineno}"))
        if isinstance(node, ast.JoinedStr):
            for part in node.values:
                self.uses[id(part)] = use

    def _variable(self, node: ast.expr, use: Use, scope: Scope) -> None:
        place = self.place(node, scope)
        if place is not None and use.place is not None and use.place != place:
            self.edges.append((place, use.place))
        if place is not None and use.sink is not None:
            self.marks.append(Mark(place, use.sink, use.detail, True, use.certain))
        if use.place is not None and _is_device_attribute(node):
            self.marks.append(Mark(use.place, "device", "a `.device`", sink=False))

    def _concat(self, node: ast.BinOp, use: Use, scope: Scope) -> None:
        if not isinstance(node.op, (ast.Add, ast.Mod)):
            return
        if isinstance(node.left, (ast.Constant, ast.JoinedStr)):
            self._literal(node.left, use, scope)
        elif isinstance(node.op, ast.Add) and any(_is_list(side) for side in (node.left, node.right)):
            self.into(node.left, use, scope)
            self.into(node.right, use, scope)

    def _choice(self, node: ast.IfExp, use: Use, scope: Scope) -> None:
        self.into(node.body, use, scope)
        self.into(node.orelse, use, scope)

    def _boolean(self, node: ast.BoolOp, use: Use, scope: Scope) -> None:
        for value in node.values:
            self.into(value, use, scope)

    def _elements(self, node: ast.List | ast.Tuple | ast.Set, use: Use, scope: Scope) -> None:
        inner = use if use.use in ("compare", "option") else msgspec.structs.replace(use, use="element")
        for element in node.elts:
            self.into(element, inner, scope)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp, use: Use, scope: Scope) -> None:
        if isinstance(node.elt, (ast.Constant, ast.JoinedStr, ast.BinOp)):
            self.into(node.elt, msgspec.structs.replace(use, use="element"), scope)

    def _dict(self, node: ast.Dict, use: Use, scope: Scope) -> None:
        keys = [k.value for k in node.keys if isinstance(k, ast.Constant) and isinstance(k.value, str)]
        handled = "handled" if "neuron" in keys else ""
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                self.uses.setdefault(id(key), Use("key", detail=handled))
                self.into(value, Use("entry", f"k:{key.value}", detail=f'"{key.value}"'), scope)
            else:
                self.into(value, Use("entry", use.place, use.sink, use.certain, use.detail), scope)

    def _call(self, node: ast.Call, use: Use, scope: Scope) -> None:
        func = node.func
        reference = self.inference.reference(func, scope)
        name = reference.qualified if reference else getattr(func, "id", "")
        if name in sinks.SOURCES and use.place is not None:
            self.marks.append(Mark(use.place, sinks.SOURCES[name], f"`{name}`", sink=False))
        if name == "torch.device" and use.place is not None:
            given = self.place(node.args[0], scope) if node.args else None
            if given is not None and given != use.place:
                self.edges.append((given, use.place))
        if name in sinks.TRANSPARENT and node.args:
            self.into(node.args[0], use, scope)
        elif isinstance(func, ast.Attribute) and func.attr in sinks.TRANSPARENT_METHODS and reference is None:
            self.into(func.value, use, scope)
        elif name in sinks.CARRIERS:
            for value in (*node.args[:1], *(k.value for k in node.keywords if k.arg == "default")):
                self.into(value, use, scope)
        elif self._getter(func, name):
            self._default_of_getter(node, name, use, scope)
        elif reference is not None and use.place is not None:
            self.edges.append((f"r:{reference.qualified}", use.place))
        elif reference is not None and use.sink is not None:
            self.marks.append(Mark(f"r:{reference.qualified}", use.sink, use.detail, True, use.certain))
        elif isinstance(func, ast.Attribute) and (place := self._method_result(func, scope)):
            self._result(place, use)

    def _method_result(self, func: ast.Attribute, scope: Scope) -> str | None:
        owner = self.inference.owner(func.value, scope)
        return f"r:{owner}.{func.attr}" if owner is not None else None

    def _result(self, place: str, use: Use) -> None:
        if use.place is not None:
            self.edges.append((place, use.place))
        if use.sink is not None:
            self.marks.append(Mark(place, use.sink, use.detail, True, use.certain))

    @staticmethod
    def _getter(func: ast.expr, name: str) -> bool:
        return name in ("getattr", "os.getenv") or (isinstance(func, ast.Attribute) and func.attr in _GETTERS)

    def _default_of_getter(self, node: ast.Call, name: str, use: Use, scope: Scope) -> None:
        """``args.get("device", "cuda")``, ``getattr(args, "device", "cuda")``: the default goes where the call goes."""
        arguments = node.args[1:] if name == "getattr" else node.args
        key = _text(arguments[0]) if arguments else None
        if key is None:
            return
        place = f"k:{key}"
        self._result(place, use)
        for default in arguments[1:2]:
            self.into(default, msgspec.structs.replace(use, place=use.place or place), scope)

    def spread(self, callee: Callee) -> None:
        """``f(**settings)``: a parameter takes what stands under its name."""
        if callee.owner and not callee.name.startswith("torch."):
            self.edges.append(("k:*", f"p:{callee.owner}.**"))
        for sink, kind in ((callee.device, "device"), (callee.backend, "backend")):
            if sink is not None and callee.name:
                self.marks.append(Mark(f"k:{sink[0]}", kind, callee.label))

    def _inner(self, node: ast.NamedExpr | ast.Starred | ast.Await, use: Use, scope: Scope) -> None:
        self.into(node.value, use, scope)

    # -- places --------------------------------------------------------------------------------

    def place(self, node: ast.expr, scope: Scope) -> str | None:
        """Where the value that ``node`` reads or writes lives."""
        if isinstance(node, ast.Name):
            return self._name_place(node, scope)
        if isinstance(node, ast.Attribute):
            return self._attribute_place(node, scope)
        if isinstance(node, ast.Subscript):
            key = _text(node.slice)
            if key is not None:
                return f"k:{key}"
            return self.place(node.value, scope)
        if isinstance(node, ast.Call):
            return self._call_place(node, scope)
        return None

    def _call_place(self, node: ast.Call, scope: Scope) -> str | None:
        func = node.func
        reference = self.inference.reference(func, scope)
        name = reference.qualified if reference else getattr(func, "id", "")
        if name in sinks.TRANSPARENT and node.args:
            return self.place(node.args[0], scope)
        if isinstance(func, ast.Attribute) and func.attr in sinks.TRANSPARENT_METHODS and reference is None:
            return self.place(func.value, scope)
        if self._getter(func, name):
            arguments = node.args[1:] if name == "getattr" else node.args
            key = _text(arguments[0]) if arguments else None
            if key is not None:
                return f"k:{key}"
        return f"r:{reference.qualified}" if reference is not None else None

    def _has_own(self, node: ast.expr, scope: Scope) -> bool:
        """Whether a value is a tensor or a module, or finds a device itself: that is no setting of the same name."""
        if ast.unparse(node) in _LOOKING:
            return True
        known = self.inference.infer(node, scope)
        return known is not None and self.inference.types.canonical(known.type) in ("torch.Tensor", "torch.nn.Module")

    def _name_place(self, node: ast.Name, scope: Scope) -> str | None:
        binding = scope.lookup(node.id)
        if binding is None:
            return None
        first = binding.definitions[0]
        if first.kind == "import":
            return f"g:{first.extra}"
        return binding.place

    def _attribute_place(self, node: ast.Attribute, scope: Scope) -> str | None:
        if node.attr == "type":
            return self.place(node.value, scope) or "k:type"
        if isinstance(node.value, ast.Name):
            owner = instance_class(node.value.id, scope)
            if owner is not None and (node.attr in owner.attributes or node.attr in owner.bindings):
                return f"a:{owner.qualified}.{node.attr}"
            if owner is not None:
                return f"k:{node.attr}"
        reference: Reference | None = self.inference.reference(node, scope)
        if reference is None:
            return None if node.attr == "device" and self._has_own(node.value, scope) else f"k:{node.attr}"
        place = f"g:{reference.qualified}"
        if self._may_be_member(node.value, scope):
            self.edges.append((f"k:{node.attr}", place))
            self.edges.append((place, f"k:{node.attr}"))
        return place

    def _may_be_member(self, owner: ast.expr, scope: Scope) -> bool:
        """Whether what has an attribute may be an object that a module holds, and not the module."""
        if not isinstance(owner, ast.Name):
            return isinstance(owner, ast.Attribute)
        binding = scope.lookup(owner.id)
        first = binding.definitions[0] if binding is not None else None
        name = str(first.extra) if first is not None and first.kind == "import" else ""
        return "." in name and not name.startswith("torch.")


_HANDLERS: dict[type, Callable[..., None]] = {
    ast.Constant: Flow._literal,
    ast.JoinedStr: Flow._literal,
    ast.Name: Flow._variable,
    ast.Attribute: Flow._variable,
    ast.Subscript: Flow._variable,
    ast.BinOp: Flow._concat,
    ast.IfExp: Flow._choice,
    ast.BoolOp: Flow._boolean,
    ast.List: Flow._elements,
    ast.Tuple: Flow._elements,
    ast.Set: Flow._elements,
    ast.Dict: Flow._dict,
    ast.ListComp: Flow._comprehension,
    ast.SetComp: Flow._comprehension,
    ast.GeneratorExp: Flow._comprehension,
    ast.Call: Flow._call,
    ast.NamedExpr: Flow._inner,
    ast.Starred: Flow._inner,
    ast.Await: Flow._inner,
}


_LOOKING = frozenset({"accelerator", "self.accelerator", "fabric", "self.fabric"})  # Accelerate's, Lightning's


def _text(node: ast.expr) -> str | None:
    """The text of a string literal."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _is_list(node: ast.expr) -> bool:
    """Whether an expression shows that it is a list or a tuple: ``["cpu"]``, ``["cuda"] if there else []``."""
    if isinstance(node, ast.IfExp):
        return _is_list(node.body) or _is_list(node.orelse)
    if isinstance(node, ast.BinOp):
        return _is_list(node.left) or _is_list(node.right)
    return isinstance(node, (ast.List, ast.Tuple))


def _is_device_attribute(node: ast.expr) -> bool:
    """``x.device`` or ``x.device.type``: a device by the meaning of the attribute."""
    if isinstance(node, ast.Attribute) and node.attr == "type":
        node = node.value
    return isinstance(node, ast.Attribute) and node.attr == "device"
