"""``Tensor = torch.cuda.FloatTensor if cuda else torch.FloatTensor``: a type with a name, and all made of it.

Neuron has no such type: tensors are made on the CPU and moved to the device, or to the one that a flag chooses.
"""

from __future__ import annotations

import ast

from porter.index.outline import Span, dotted
from porter.index.site import Site
from porter.rules.base import Context, Edits, TextEdit
from porter.rules.placement.devices import torch_name
from porter.rules.spelling import device_type

DTYPES = {
    "Float": "float32",
    "Double": "float64",
    "Half": "float16",
    "BFloat16": "bfloat16",
    "Byte": "uint8",
    "Char": "int8",
    "Short": "int16",
    "Int": "int32",
    "Long": "int64",
    "Bool": "bool",
}
_NAMES = ("device", "tensor_device")  # for the device that a flag chooses
_HALVES = ("float16", "bfloat16")  # whether a program should go on in float16 is another question


def chosen_type(site: Site, ctx: Context) -> tuple[str, Edits] | None:
    """The edits for the type at ``site`` and all that is made of it, and the group of the types that a file chooses."""
    edits = ctx.once(_chosen)
    return (f"chosen-type:{next(iter(edits))}", edits[site.start]) if site.start in edits else None


def _chosen(ctx: Context) -> dict[int, Edits]:
    """The edits for each type that a file chooses: they share a device, and are all rewritten or none."""
    chosen = [s for s in ctx.sites if s.name.startswith("torch.cuda.") and s.name.endswith("Tensor") and _is_arm(s)]
    device = next((name for name in _NAMES if not _is_taken(name, ctx)), None)
    if len({s.scope for s in chosen}) != 1 or device is None:
        return {}
    found: dict[int, Edits] = {}
    for site in chosen:
        edits = _rewritten(site, device, site is chosen[0], ctx)
        if edits is None:
            return {}
        found[site.start] = edits
    return found


def named_type(site: Site, ctx: Context) -> Edits | None:
    """The edits for ``dtype = torch.cuda.FloatTensor`` and all that is made of it; None where it has other uses."""
    return ctx.once(_by_its_name, site)


def _by_its_name(ctx: Context, site: Site) -> Edits | None:
    outline, root = ctx.outline(), torch_name(ctx)
    match outline.around(site.start)[-1:]:
        case [ast.Assign(targets=[ast.Name(id=name)], value=value)] if root is not None:
            kind = site.name.rpartition(".")[2]
            dtype = DTYPES.get(kind.removesuffix("Tensor"))
            if dtype is None or dtype in _HALVES or outline.span(value) != Span(site.start, site.end):
                return None
            made = _made(name, outline.home(name, site.start), f"{root}.{dtype}", device_type(site, ctx), ctx)
            return (TextEdit(site.start, site.end, f"{root}.{kind}"), *made) if made else None
    return None


def _rewritten(site: Site, device: str, is_first: bool, ctx: Context) -> Edits | None:
    """The edits for one type; with the first comes the device."""
    outline = ctx.outline()
    statement = (outline.around(site.start) or [outline.tree])[-1]
    if not isinstance(statement, ast.Assign) or not isinstance(statement.value, ast.IfExp):
        return None
    arm, plain = outline.span(statement.value.body), dotted(statement.value.orelse) or ""
    name = dotted(statement.targets[0])
    root, _, kind = plain.rpartition(".")
    dtype = DTYPES.get(kind.removesuffix("Tensor") or "Float")
    alike = site.name.rpartition(".")[2] in (kind, f"Float{kind}")
    if arm.start != site.start or name is None or dtype is None or not alike or root != torch_name(ctx):
        return None
    made = _made(name, outline.home(name, site.start), f"{root}.{dtype}", device, ctx)
    if made is None:
        return None
    start, end = outline.span(statement).start, outline.span(statement).end
    if not is_first:
        return tuple(sorted([TextEdit(outline.span(statement.value).start, end, plain), *made]))
    indent = ctx.text(ctx.source.text.rfind(b"\n", 0, start) + 1, start)
    opening = TextEdit(start, arm.end, f"{device} = {root}.device({device_type(site, ctx)}")
    other = outline.span(statement.value.orelse).start
    return tuple(sorted([opening, TextEdit(other, end, f'"cpu")\n{indent}{name} = {plain}'), *made]))


def _is_arm(site: Site) -> bool:
    return site.parent == "IfExp" and site.call is None


def _is_taken(name: str, ctx: Context) -> bool:
    """Whether the file uses a name that the device could have."""
    nodes = (n for n in ctx.outline().nodes if not isinstance(n, ast.keyword))
    return any(name in (getattr(n, "id", ""), getattr(n, "arg", ""), getattr(n, "name", "")) for n in nodes)


def _made(name: str, home: ast.AST, dtype: str, device: str, ctx: Context) -> list[TextEdit] | None:
    """The edits of what the type is used for: calls of it, and `x.type(Tensor)`. None for anything else."""
    outline = ctx.outline()
    uses = [use for use in ctx.once(_named, home).get(name, ()) if outline.is_of(home, name, use[0])]
    edits: list[TextEdit] = []
    for node, around in uses:
        if isinstance(node.ctx, ast.Store):
            continue
        match around:
            case ast.Call(func=function) as call if function is node:
                end = outline.span(call).end
                edits.append(TextEdit(end, end, f".to({device})"))
            case ast.Call(func=ast.Attribute(attr="type") as method, args=[_], keywords=[]):
                at = outline.span(method)
                edits.append(TextEdit(at.end - len("type"), at.end, "to"))
                edits.append(TextEdit(outline.span(node).start, outline.span(node).end, f"{device}, {dtype}"))
            case _:
                return None
    return sorted(edits) if sum(isinstance(node.ctx, ast.Store) for node, _ in uses) == 1 else None


def _named(ctx: Context, home: ast.AST) -> dict[str, list[tuple[ast.Name, ast.AST]]]:
    """The names in a scope and the functions in it, each with what it is a part of."""
    found: dict[str, list[tuple[ast.Name, ast.AST]]] = {}
    for node in ast.walk(home):
        for inner in ast.iter_child_nodes(node):
            if isinstance(inner, ast.Name):
                found.setdefault(inner.id, []).append((inner, node))
    return found
