"""A second opinion on the names of a file: libcst's, whose scopes share nothing with porter's index.

Slow, and made for whole files: `tests.ecosystem.names` asks it about real ones. Scopes are libcst's; what it does not
follow, a name that is assigned another name (``cuda = torch.cuda``), is followed here through its assignments.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import libcst as cst
from libcst import metadata
from libcst.helpers import get_full_name_for_node
from libcst.metadata import Assignment, BaseAssignment, BuiltinAssignment, ImportAssignment, QualifiedNameSource, Scope

from porter.index.build import module_name
from porter.sources.source import Source

_DEPTH = 5  # names that are followed through names
_CONSTANTS = frozenset({"False", "None", "True"})  # names to libcst
_CONTEXTS = metadata.ExpressionContextProvider
_SCOPES = metadata.ScopeProvider
_SPANS = metadata.ByteSpanPositionProvider

Span = tuple[int, int]
Chain = cst.Name | cst.Attribute


class Meaning(NamedTuple):
    """What a chain of names may stand for: every value that its first name gets anywhere in its scope."""

    imported: frozenset[str] = frozenset()  # qualified names, by import
    followed: frozenset[str] = frozenset()  # by import, through assignments of plain names
    own: frozenset[str] = frozenset()  # functions and classes of the file, with its module in front, and of Python
    others: frozenset[str] = frozenset()  # described: values that no name leads to
    sources: frozenset[Span] = frozenset()  # of all this: names in import statements, and values that are assigned

    @property
    def origins(self) -> frozenset[int]:
        """Where the sources start."""
        return frozenset(start for start, _ in self.sources)

    @property
    def names(self) -> frozenset[str]:
        """All that it may be by name."""
        return self.imported | self.followed | self.own

    def __str__(self) -> str:
        return ", ".join(sorted(self.names) + sorted(self.others))


class SecondOpinion:
    """The dotted names in a Python text, by their spans in bytes."""

    def __init__(self, text: str, module: str, package: str) -> None:
        """``package`` is what relative imports start from. Raises libcst.ParserSyntaxError, RecursionError."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wrapper = metadata.MetadataWrapper(cst.parse_module(text), unsafe_skip_copy=True)
            resolved: Mapping[Any, Mapping[cst.CSTNode, Any]] = wrapper.resolve_many([_CONTEXTS, _SCOPES, _SPANS])
        self.module, self.package = module, package
        self._scopes, self._spans, self._contexts = resolved[_SCOPES], resolved[_SPANS], resolved[_CONTEXTS]
        self._values: dict[cst.CSTNode, cst.BaseExpression | None] = {}  # what a name is assigned
        self.chains: dict[Span, Chain] = {}  # also those that are part of a longer one
        self.read: list[Span] = []  # those that are not, where they are read
        self.imports: dict[Span, str] = {}  # every name of an import statement, and what it stands for
        wrapper.module.visit(_Collector(self))

    def span(self, node: cst.CSTNode) -> Span:
        """Where a node stands."""
        found = self._spans[node]
        return found.start, found.start + found.length

    def absolute(self, name: str) -> str:
        """A name as an import spells it, without its leading dots."""
        rest = name.lstrip(".")
        level = len(name) - len(rest)
        if not level:
            return name
        if not self.package:
            return f".{rest}"  # beside no package: no name to import it by
        parts = self.package.split(".")
        return ".".join(filter(None, [*parts[: len(parts) - (level - 1)], rest]))

    def meaning(self, chain: Chain) -> Meaning:
        """What a chain may stand for."""
        return self._meaning(chain, self._scopes.get(chain), 0)

    def at_module_level(self, chain: Chain) -> bool:
        """Whether a chain is read when the module is imported, in the order of its lines."""
        return isinstance(self._scopes.get(chain), metadata.GlobalScope)

    def maker(self, chain: Chain) -> frozenset[str]:
        """What makes the object that a plain name stands for: the names of the class it is annotated as, or of what
        its one assigned value calls; nothing where that is not so simple."""
        scope = self._scopes.get(chain)
        made = list(scope[chain.value]) if scope is not None and isinstance(chain, cst.Name) else []
        node = made[0].node if len(made) == 1 and isinstance(made[0], Assignment) else None
        value = self._values.get(node) if node is not None else None
        if isinstance(node, cst.Param) and node.annotation is not None:
            value = node.annotation.annotation
            scope = made[0].scope.parent
        elif isinstance(value, cst.Call):
            value = value.func
            scope = self._scopes.get(value)
        else:
            return frozenset()
        return self._meaning(value, scope, 0).imported if isinstance(value, Chain) and is_chain(value) else frozenset()

    def _meaning(self, chain: Chain, scope: Scope | None, depth: int) -> Meaning:
        name = get_full_name_for_node(chain) or ""
        root, _, rest = name.partition(".")
        found: dict[str, set[Any]] = {field: set() for field in Meaning._fields}
        for assignment in scope[root] if scope is not None else ():
            node = assignment.node if isinstance(assignment, Assignment) else None
            value = self._values.get(node) if node is not None else None
            given = value if value is not None else node if isinstance(node, cst.Name) else None  # a part of a value
            if given is not None:
                found["sources"].add(self.span(given))
            if isinstance(assignment, ImportAssignment):
                names = assignment.get_qualified_names_for(name)
                found["imported"].update(self.absolute(n.name) for n in names if n.source is QualifiedNameSource.IMPORT)
                found["sources"].update(self._aliases(assignment))
            elif isinstance(assignment, BuiltinAssignment):
                found["own"].add(f"builtins.{name}")
            elif isinstance(node, (cst.FunctionDef, cst.ClassDef)):
                locals_ = (n.name.replace(".<locals>", "") for n in assignment.get_qualified_names_for(name))
                found["own"].update(f"{self.module}.{name}" for name in locals_)
            elif isinstance(value, Chain) and is_chain(value) and depth < _DEPTH:
                if isinstance(value, cst.Name) and value.value == "None":
                    continue  # says nothing of what else it may be
                through = self._meaning(value, self._scopes.get(value), depth + 1)
                found["followed"].update(".".join(filter(None, [name, rest])) for name in through.names)
                found["others"] |= through.others
            else:
                found["others"].add(_described(assignment))
        return Meaning(**{field: frozenset(values) for field, values in found.items()})

    def _aliases(self, assignment: ImportAssignment) -> Iterator[Span]:
        """The parts of an import statement that bind the name."""
        names = assignment.node.names if isinstance(assignment.node, (cst.Import, cst.ImportFrom)) else ()
        for alias in names if not isinstance(names, cst.ImportStar) else ():
            bound = alias.evaluated_alias or alias.evaluated_name.partition(".")[0]
            if bound == assignment.name.partition(".")[0]:
                yield self.span(alias)


def opinion_on(source: Source) -> SecondOpinion:
    """libcst's opinion on a file. Raises libcst.ParserSyntaxError, RecursionError."""
    module = module_name(source.path)
    package = module if source.path.endswith("__init__.py") else module.rpartition(".")[0]
    return SecondOpinion(source.text.decode(), module, package)


class _Collector(cst.CSTVisitor):
    """Fills in what a `SecondOpinion` knows of the nodes."""

    def __init__(self, opinion: SecondOpinion) -> None:
        self._opinion = opinion

    def visit_Attribute(self, node: cst.Attribute) -> bool:
        if not is_chain(node):
            node.value.visit(self)
            return False
        self._chain(node)
        part: cst.BaseExpression = node.value
        while isinstance(part, Chain):
            self._opinion.chains[self._opinion.span(part)] = part
            part = part.value if isinstance(part, cst.Attribute) else cst.Ellipsis()
        return False

    def visit_Arg(self, node: cst.Arg) -> bool:
        node.value.visit(self)  # a keyword is no name
        return False

    def visit_Name(self, node: cst.Name) -> None:
        if node.value not in _CONSTANTS:
            self._chain(node)

    def _chain(self, node: Chain) -> None:
        context = self._opinion._contexts.get(node)
        if context is not None:
            span = self._opinion.span(node)
            self._opinion.chains[span] = node
            if context is metadata.ExpressionContext.LOAD or isinstance(node, cst.Attribute):
                self._opinion.read.append(span)

    def visit_Assign(self, node: cst.Assign) -> None:
        for target in node.targets:
            self._assigned(target.target, node.value)

    def visit_AnnAssign(self, node: cst.AnnAssign) -> None:
        if node.value is not None:
            self._assigned(node.target, node.value)

    def visit_NamedExpr(self, node: cst.NamedExpr) -> None:
        self._assigned(node.target, node.value)

    def _assigned(self, target: cst.BaseExpression, value: cst.BaseExpression) -> None:
        sequence = cst.Tuple | cst.List
        if isinstance(target, cst.Name):
            self._opinion._values[target] = value
        elif isinstance(target, sequence) and isinstance(value, sequence):
            for one, other in zip(target.elements, value.elements, strict=False):
                self._assigned(one.value, other.value)

    def visit_Import(self, node: cst.Import) -> bool:
        for alias in node.names:
            self._opinion.imports[self._opinion.span(alias)] = alias.evaluated_name
        return False

    def visit_ImportFrom(self, node: cst.ImportFrom) -> bool:
        module = "." * len(node.relative) + (get_full_name_for_node(node.module) or "" if node.module else "")
        if isinstance(node.names, cst.ImportStar):
            self._opinion.imports[self._opinion.span(node.names)] = self._opinion.absolute(module)
            return False
        for alias in node.names:
            dot = "" if module.endswith(".") else "."
            name = self._opinion.absolute(f"{module}{dot}{alias.evaluated_name}")
            self._opinion.imports[self._opinion.span(alias)] = name
        return False


def is_chain(node: cst.BaseExpression) -> bool:
    """Whether an expression is a name, or attributes of one."""
    while isinstance(node, cst.Attribute):
        node = node.value
    return isinstance(node, cst.Name)


def _described(assignment: BaseAssignment) -> str:
    return f"{type(getattr(assignment, 'node', None)).__name__} {assignment.name}"
