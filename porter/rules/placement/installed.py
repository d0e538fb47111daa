"""Names that are true only where a package for CUDA is installed: `has_fused`, set in the ``try`` of its import."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from porter.index.outline import own_names
from porter.index.site import Site
from porter.rules.base import Context
from porter.rules.kernels.known import is_kernel


def installed(test: Site, ctx: Context) -> tuple[str, Site] | None:
    """The name that an ``and`` joins with a test and that is true only where an import succeeds; and that import."""
    names = sorted(set(_joined(test, ctx)))
    for site in ctx.sites if names else ():
        if site.role != "import" or not any(guard.kind == "import" for guard in site.guards):
            continue
        tried = ctx.outline().parent(site.start)
        if not isinstance(tried, ast.Try) or not is_kernel(site, ctx):
            continue
        if (name := next((n for n in names if _only_in(tried, n, test, ctx)), None)) is not None:
            return name, site
    return None


def _joined(test: Site, ctx: Context) -> Iterator[str]:
    for part in ctx.outline().joined(test.start, test.end):
        match part:
            case ast.Name(name) | ast.Compare(ast.Name(name), [ast.IsNot()], [ast.Constant(None)]):
                yield name


def _only_in(tried: ast.Try, name: str, test: Site, ctx: Context) -> bool:
    """Whether a name beside a test is made true where the import of a ``try`` has succeeded, and nowhere else."""
    outline = ctx.outline()
    function = outline.function(test.start)
    if function not in (None, outline.function(outline.span(tried).start)) and name in own_names(function):
        return False
    spans = [outline.span(statement) for statement in (*tried.body, *tried.orelse)]
    makers = [outline.span(n).start for n in outline.nodes if isinstance(n, ast.stmt) and name in _made_true(n)]
    return bool(makers) and all(any(span.holds(place) for span in spans) for place in makers)


def _made_true(node: ast.stmt) -> Iterator[str]:
    """The names that a statement gives anything but a constant that is false."""
    targets: list[ast.expr] = []
    match node:
        case ast.Assign(value=ast.Constant(value)) | ast.AnnAssign(value=ast.Constant(value)) if not value:
            pass
        case ast.Assign(targets=targets):
            pass
        case ast.AnnAssign(target=target) | ast.AugAssign(target=target) | ast.For(target=target):
            targets = [target]
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in names)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
    yield from (n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name))
