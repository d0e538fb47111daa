"""From a Python source to its sites and its summary."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path

import msgspec

from porter.catalog.types import Types
from porter.collecting import uncollected
from porter.index.collect import WORD, Found
from porter.index.facts import encode
from porter.index.infer import Inference
from porter.index.names import defines_none
from porter.index.outdated import outdated
from porter.index.scope import Binder, Binding, Definition, Scope
from porter.index.site import Argument, Call, Receiver, Site, Statement
from porter.index.steps import step_sites
from porter.index.summary import ClassInfo, FunctionInfo, Mark, Summary
from porter.index.variables import Known
from porter.index.visit import Visitor
from porter.index.watch import Watch
from porter.model import Problem
from porter.sources.source import Source

_DEPTH = 4000  # frames: deeper expressions are machine-made tables, and are reported instead
_ASYNC = re.compile(rb"[(,]\s*async\s*=")
_OTHER_PYTHON = re.compile(rb"(?:\n|    )print |except ")  # Python 2's, or that of a newer one
_MARKS = frozenset({"skipif", "skipIf", "skipUnless"})
_FSTRINGS_HAVE_OFFSETS = sys.version_info >= (3, 12)


class FileIndex(msgspec.Struct):
    """What the index knows about one file."""

    sites: list[Site]
    summary: Summary
    problem: Problem | None = None


@uncollected()
def index(source: Source, watch: Watch, types: Types, aliases: Mapping[str, str] | None = None) -> FileIndex:
    """Find the sites of a Python file or notebook. A file that does not parse yields a problem, or what keeps it so.

    ``aliases`` says what names of the repository stand for, where a file re-exports CUDA's:
    ``{"pkg.compat.autocast": "torch.cuda.amp.autocast"}``.
    """
    module = module_name(source.path)
    tree = _parsed(source)
    if isinstance(tree, Problem):
        sites = outdated(source)
        return FileIndex(sites, Summary(module), None if sites else tree)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, _DEPTH))
    try:
        return _index(source, tree, module, watch, types, aliases or {})
    except RecursionError:
        message = "an expression is nested too deeply to analyse; exclude the file if it is generated"
        return FileIndex([], Summary(module), Problem(source.path, message))
    finally:
        sys.setrecursionlimit(limit)


@uncollected()
def bindings(source: Source) -> Summary:
    """What a Python file binds and imports, and nothing else: a fraction of the time that `index` takes."""
    summary, tree = Summary(module_name(source.path)), _parsed(source)
    if isinstance(tree, Problem):
        return summary
    try:
        binder = _binder(source, tree, summary.module)
    except RecursionError:
        return summary
    try:
        _bind(summary, tree, binder)
    finally:
        binder.dissolve()
    return summary


def _parsed(source: Source) -> ast.Module | Problem:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes and the like belong to the file's owner
            return ast.parse(source.text.decode())
    except SyntaxError as error:
        return _syntax_problem(source, error)
    except (ValueError, RecursionError, MemoryError) as error:
        return Problem(source.path, f"cannot be parsed: {error}; not analysed")


def _binder(source: Source, tree: ast.Module, module: str) -> Binder:
    return Binder(tree, module, module if source.path.endswith("__init__.py") else module.rpartition(".")[0])


def _index(
    source: Source, tree: ast.Module, module: str, watch: Watch, types: Types, aliases: Mapping[str, str]
) -> FileIndex:
    binder = _binder(source, tree, module)
    try:
        return _bound(source, tree, binder, watch, types, aliases)
    finally:
        binder.dissolve()


def _bound(
    source: Source, tree: ast.Module, binder: Binder, watch: Watch, types: Types, aliases: Mapping[str, str]
) -> FileIndex:
    inference = Inference(types, binder.scopes, aliases, watch.match)
    visitor = Visitor(tree, binder, inference, watch, source)
    inference.forget()  # what it said before the visitor had seen all uses
    builder = _Builder(source, visitor)
    sites = [site for found in visitor.found for site in builder.sites(found)]
    if watch.steps:
        sites = sorted([*sites, *step_sites(tree, source, binder, inference)], key=lambda site: site.start)
    summary = summarise(binder.root.qualified, binder, visitor)
    _bind(summary, tree, binder)
    inference.dissolve()
    return FileIndex(sites, summary)


def _bind(summary: Summary, tree: ast.Module, binder: Binder) -> None:
    """Enter what the module binds, and what its statements import, under no condition or at all."""
    bound = binder.root.bindings
    for name, binding in bound.items():
        definition = _telling(binding)
        if definition.kind == "import":
            summary.exports[name] = str(definition.extra)
    summary.names, summary.starred = tuple(bound), tuple(binder.root.starred)
    plain = {alias for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names}
    found = (d for binding in bound.values() for d in binding.definitions if d.node in plain)
    summary.required = tuple(dict.fromkeys(str(definition.extra) for definition in found))


def _telling(binding: Binding) -> Definition:
    """The last definition of a name that is more than ``None``."""
    return next((d for d in reversed(binding.definitions) if not defines_none(d)), binding.definitions[-1])


def module_name(path: str) -> str:
    """The dotted name of a file by its path: ``src/pkg/__init__.py`` is ``src.pkg``."""
    stem = path.removesuffix(".py").removesuffix(".ipynb").removesuffix(".pyi")
    return stem.removesuffix("/__init__").strip("./").replace("/", ".")


def packages_around(folder: str) -> tuple[str, list[str]]:
    """The packages that a folder is in, itself included, outermost first, and the name of the folder around them."""
    path = Path(folder).resolve()
    found: list[str] = []
    while (path / "__init__.py").is_file() and path.parent != path:
        found.insert(0, path.name)
        path = path.parent
    return path.name, found


def is_nested(folder: str) -> bool:
    """Whether a package stands below a folder that is none and yet part of one: nobody imports it by its bare name."""
    path = Path(folder).resolve()
    while (path / "__init__.py").is_file() and path.parent != path:
        path = path.parent
    return (path.parent / "__init__.py").is_file()


def _syntax_problem(source: Source, error: SyntaxError) -> Problem:
    if _ASYNC.search(source.text):
        hint = "`async` is a keyword since Python 3.7: PyTorch calls that argument `non_blocking`"
    elif source.kind == "python" and (error.msg.startswith("f-string") or _OTHER_PYTHON.search(source.text)):
        hint = (
            "if it is Python 2, port it first; if its grammar is newer than this Python, run porter under that version"
        )
    else:
        hint = "templates and generated files can be excluded"
    return Problem(source.path, f"does not parse: {error.msg}; not analysed ({hint})", error.lineno)


class _Builder:
    """Turns what the visitor found into sites."""

    def __init__(self, source: Source, visitor: Visitor) -> None:
        self.source = source
        self.visitor = visitor
        self.inference = visitor.inference

    def sites(self, found: Found) -> list[Site]:
        """The sites that one find amounts to: mostly one."""
        if found.kind == "requirement":
            from porter.sources.files.requirements import requirement_sites

            start, _ = self._span(found.node, found)
            sites = requirement_sites(found.name, start + 1, found.node.lineno)  # type: ignore[attr-defined]
            return [s for s in sites if self.visitor.watch.has("requirement", s.name)]
        site = self.site(found)
        return [site] if site is not None else []

    def site(self, found: Found) -> Site | None:
        """The site of a find; None where its receiver turns out to mean nothing."""
        node, moment = found.node, found.moment
        start, end = self._span(node, found)
        kind, name, certain, receiver = found.kind, found.name, found.certain, None
        if found.receiver is not None:
            known = self.inference.infer(found.receiver, moment.scope)
            receiver = self._receiver(found, known)
            if known is not None:
                certain = certain and known.certain
                kind, name = "symbol", f"{self.inference.types.canonical(known.type)}{found.name}"
            if not self._telling(kind, name):
                return None
        call = self._call(moment.call, moment.scope) if moment.call is not None else None
        return Site(
            kind=kind,
            name=name,
            start=start,
            end=end,
            line=node.lineno,  # type: ignore[attr-defined]
            role=moment.role,
            alias=self.visitor.span(found.alias)[0] if found.alias is not None else None,
            call=call,
            receiver=receiver,
            statement=self._statement(found),
            scope=moment.scope.qualified[len(self.visitor.binder.root.qualified) + 1 :],
            guards=moment.guards,
            in_loop=moment.in_loop,
            parent=moment.parent,
            place=self._place(found),
            use=found.use.use if found.use is not None else "",
            detail=found.detail,
            certain=certain and (found.use.certain if found.use is not None else True),
            sink=found.use.sink if found.use is not None else None,
            editable=self._exact(found),
        )

    def _telling(self, kind: str, name: str) -> bool:
        """Whether a method is worth a site: it has a row, mentions CUDA, or its class is for the project to settle."""
        own = kind == "symbol" and not name.startswith("torch.")
        return (
            self.visitor.watch.has(kind, name)
            or bool(WORD.search(name))
            or (own and self.visitor.watch.has("method", f".{name.rpartition('.')[2]}"))
        )

    def _span(self, node: ast.AST, found: Found) -> tuple[int, int]:
        if self._exact(found):
            return self.visitor.span(node)
        assert found.moment.fstring is not None
        return self.visitor.span(found.moment.fstring)

    def _exact(self, found: Found) -> bool:
        """Whether the node's offsets are true: before Python 3.12 `ast` may get them wrong inside f-strings."""
        if _FSTRINGS_HAVE_OFFSETS or found.moment.fstring is None:
            return True
        node = found.moment.call or found.node
        start, end = self.visitor.span(node)
        try:
            there = ast.parse(self.source.text[start:end].decode(), mode="eval").body
        except (SyntaxError, ValueError):
            return False
        return ast.dump(there) == ast.dump(node)

    def _receiver(self, found: Found, known: Known | None) -> Receiver:
        assert found.receiver is not None
        start, end = self.visitor.span(found.receiver)
        place = self.visitor.flow.place(found.receiver, found.moment.scope)
        if known is None:
            return Receiver(start, end, None, "nothing in this file says what it is", place)
        beside = (
            self.inference.by_use(found.receiver, found.moment.scope)
            if known.type.startswith(("result:", "item:", "any:"))
            else None
        )
        if beside is not None:
            why = known.why if beside.why in known.why else f"{known.why}; {beside.why}"
            return Receiver(start, end, known.type, why, place, beside.type)
        return Receiver(start, end, known.type, known.why, place)

    def _call(self, node: ast.Call, scope: Scope) -> Call:
        start, end = self.visitor.span(node)
        arguments = [self._argument("*" if isinstance(a, ast.Starred) else None, a, scope) for a in node.args]
        arguments += [self._argument(k.arg or "**", k.value, scope) for k in node.keywords]
        return Call(start, end, tuple(arguments))

    def _argument(self, keyword: str | None, node: ast.expr, scope: Scope) -> Argument:
        start, end = self.visitor.span(node)
        literal = node.value if isinstance(node, ast.Constant) else None
        if isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant) and isinstance(node.op, ast.USub):
            value = node.operand.value
            literal = -value if isinstance(value, (int, float)) else None
        known = self.inference.infer(node, scope) if literal is None else None
        reference = self.inference.reference(node, scope)
        return Argument(
            keyword=keyword,
            start=start,
            end=end,
            literal=literal if isinstance(literal, (str, int, float, bool)) else None,
            is_literal=isinstance(node, ast.Constant),
            symbol=reference.qualified if reference is not None else None,
            place=self.visitor.flow.place(node, scope),
            type=known.type if known is not None else None,
        )

    def _statement(self, found: Found) -> Statement:
        node = found.moment.statement
        start, end = self.visitor.span(node)
        body = getattr(node, "body", None)
        if isinstance(body, list) and body:
            decorators = getattr(node, "decorator_list", None)
            start = min([start, *(self.visitor.span(d)[0] - 1 for d in decorators or ())])
            end = max(start, self.visitor.span(body[0])[0])
        value = getattr(node, "value", None)
        outer = found.moment.call or found.node
        alone = isinstance(node, (ast.Expr, ast.Assign, ast.AnnAssign, ast.Return)) and (value is outer)
        alone = alone or (isinstance(node, ast.Assign) and found.node in node.targets)
        return Statement(start, end, type(node).__name__, alone, found.moment.siblings)

    def _place(self, found: Found) -> str | None:
        """Strings: where they flow. Calls and symbols that are a whole assigned value, or that a mark of tests which
        is assigned asks: the variable."""
        if found.use is not None:
            return found.use.place
        statement = found.moment.statement
        outer = found.moment.call or found.node
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            value = statement.value
            mark = isinstance(value, ast.Call) and getattr(value.func, "attr", "") in _MARKS
            if value is outer or mark:
                return self.visitor.flow.place(statement.targets[0], found.moment.scope)
        if isinstance(statement, ast.AnnAssign) and statement.value is outer:
            return self.visitor.flow.place(statement.target, found.moment.scope)
        return None


def summarise(module: str, binder: Binder, visitor: Visitor) -> Summary:
    """What the other files of the repository may ask about this one."""
    summary, edges = Summary(module), dict.fromkeys(visitor.flow.edges)
    inference = visitor.inference
    for node, scope in list(binder.scopes.items()):
        if isinstance(node, ast.ClassDef):
            bases = [inference.reference(b, scope.parent or scope) for b in node.bases]
            names = tuple(r.qualified if r is not None else "?" for r in bases)
            own = [name for name in names if "." in name and not name.startswith("torch.")]
            methods = tuple(n for n, b in scope.bindings.items() if b.definitions[-1].kind == "def")
            fields = tuple(n for n, b in scope.bindings.items() if b.definitions[-1].kind == "annotation")
            summary.classes[scope.qualified] = ClassInfo(names, methods, fields)
            for name in dict.fromkeys((*scope.attributes, *fields)):
                edges[f"a:{scope.qualified}.{name}", f"k:{name}"] = None
                edges |= dict.fromkeys((f"a:{scope.qualified}.{name}", f"a:{base}.{name}") for base in own)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            arguments = node.args
            parameters = tuple(a.arg for a in (*arguments.posonlyargs, *arguments.args))
            returned = inference.returned(node)
            keywords = tuple(a.arg for a in arguments.kwonlyargs)
            summary.functions[scope.qualified] = FunctionInfo(parameters, returned.type if returned else None, keywords)
    summary.flow = msgspec.Raw(encode((list(edges), visitor.flow.marks)))
    summary.options = tuple(sorted(visitor.flow.options))
    return summary


__all__ = ["FileIndex", "Mark", "bindings", "index", "is_nested", "module_name", "packages_around"]
