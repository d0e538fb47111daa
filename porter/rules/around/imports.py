"""What runs only where a package for CUDA is found, or never."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from porter.index.guards import exits
from porter.index.outline import Span, dotted
from porter.index.site import Site
from porter.rules.around.keeper import Keeper
from porter.rules.base import Context, Judgement
from porter.rules.kernels.known import brings_kernels, is_folder, is_kernel

_IMPORTING = ("import_module", "__import__")
_ENDS = re.compile(rb"^(?:sys\.exit\(|os\._exit\(|raise\b)", re.M)  # at the top of a file


def behind_imports(results: list[Judgement], ctx: Context) -> Iterator[Keeper]:
    """What follows the import of a package for CUDA in the same block: ``elif engine: import tensorrt``."""
    edited = {result.site.start for result in results if result.edited}
    for site in ctx.sites:
        if site.role != "import" or not brings_kernels(site, ctx) or is_folder(site):
            continue
        uses = [s for s in ctx.sites if s.certain and s.name.startswith(f"{site.name}.") and s.role != "import"]
        if uses and all(use.start in edited for use in uses):
            continue  # it goes with them
        tried = _tried(site, ctx)
        if tried is not None and not (site.scope and _imported_again(tried)):
            why = f"it runs only where line {site.line} finds `{site.name}`, which needs CUDA"
            yield Keeper(ctx.outline().rest_of_block(site.start), why, runs=False)
        elif site.scope and (tried is not None or (not site.guards and is_kernel(site, ctx))):
            why = f"`{site.name}`, which line {site.line} imports for this, needs CUDA"
            yield Keeper(ctx.outline().rest_of_block(_start(site, ctx)), why)


def _start(site: Site, ctx: Context) -> int:
    """Where an import starts, or the ``try`` around it without which the program does not go on."""
    tried = ctx.outline().parent(site.start)
    if not isinstance(tried, ast.Try):
        return site.start
    insists = _imported_again(tried) or all(isinstance(handler.body[-1], ast.Raise) for handler in tried.handlers)
    return ctx.outline().span(tried).start if insists else site.start


def where_found(results: list[Judgement], ctx: Context) -> Iterator[Keeper]:
    """Edits of what runs only where an import has not failed: ``if bnb is not None:``."""
    edited = [result.site for result in results if result.edited]
    for site in (s for s in ctx.sites if s.role == "import" and brings_kernels(s, ctx)):
        tried = _tried(site, ctx)
        if tried is None:
            continue
        why = f"it runs only where line {site.line} finds `{site.name}`, which needs CUDA"
        for behind in _asked_for(_bound(tried), ctx):
            yield from (Keeper(Span(e.start, e.end), why, runs=False) for e in edited if behind.holds(e.start))


def _tried(site: Site, ctx: Context) -> ast.Try | None:
    """The ``try`` around an import that may fail."""
    tried = ctx.outline().parent(site.start)
    return tried if isinstance(tried, ast.Try) and any(guard.kind == "import" for guard in site.guards) else None


def _bound(tried: ast.Try) -> set[str]:
    """The names that the imports of a ``try`` bind, also those by ``importlib.import_module``."""
    names = set()
    for node in tried.body:
        match node:
            case ast.Import(names=brought) | ast.ImportFrom(names=brought):
                names |= {alias.asname or alias.name for alias in brought}
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=func)):
                names |= {name} if (dotted(func) or "").endswith(_IMPORTING) else set()
    return names


def _asked_for(names: set[str], ctx: Context) -> Iterator[Span]:
    """What runs only where one of the names is there: behind ``if bnb and fast:``, and ``if bnb is None: return``."""
    outline = ctx.outline()
    there = (text for name in sorted(names) for text in (name, f"{name} is not None"))
    absent = (text for name in sorted(names) for text in (f"not {name}", f"{name} is None"))
    held = dict.fromkeys(node for text in there for node in ctx.once(_asking, ast.And).get(text, ()))
    failed = dict.fromkeys(node for text in absent for node in ctx.once(_asking, ast.Or).get(text, ()))
    for node in held:
        yield Span(outline.span(node.test).end, outline.span(node.body[-1]).end)
    for node in failed:
        if node not in held and exits(node.body) and not node.orelse:
            yield Span(outline.span(node).end, outline.rest_of_block(outline.span(node).start).end)


def _asking(ctx: Context, joined: type[ast.boolop]) -> dict[str, list[ast.If]]:
    """The branches of the file by the texts of their tests, or of what these join."""
    found: dict[str, list[ast.If]] = {}
    for node in ctx.outline().all_of(ctx.outline().tree, ast.If):
        test = node.test
        for part in test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, joined) else [test]:
            found.setdefault(ast.unparse(part), []).append(node)
    return found


def ended(ctx: Context) -> Iterator[Keeper]:
    """What follows the end of a script, which stands there for all who run it: ``sys.exit(0)``."""
    text, outline = ctx.source.text, ctx.outline
    for match in _ENDS.finditer(text):
        node = next((n for n in outline().tree.body if outline().span(n).start == match.start()), None)
        if node is not None:
            why = f"never reached: line {node.lineno} ends the program"
            yield Keeper(Span(outline().span(node).end, len(text)), why, runs=False)


def _imported_again(tried: ast.Try) -> bool:
    """Whether a handler imports what failed: ``except ImportError: install(); import tensorrt``."""
    names = {alias.name for node in tried.body if isinstance(node, ast.Import) for alias in node.names}
    again = (node for handler in tried.handlers for node in handler.body if isinstance(node, ast.Import))
    return any(alias.name in names for node in again for alias in node.names)
