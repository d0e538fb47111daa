"""What the names of a file stand for, and edits of its import statements."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from porter.rewrite.calls import delete_statement
from porter.rewrite.commas import CommaList, Element, elements
from porter.rewrite.scopes import scopes
from porter.rules.base import TextEdit

if TYPE_CHECKING:
    import libcst

    from porter.sources.source import Source


class Import(msgspec.Struct, frozen=True):
    """An import statement: ``start:end``, the module behind ``from`` (None without), and its block's length.

    ``trial`` is the span and the block's length of a ``try`` that holds nothing else, and raises where it fails.
    """

    start: int
    end: int
    module: str | None
    siblings: int
    trial: tuple[int, int, int] | None = None


class Imported(msgspec.Struct, frozen=True):
    """One name that an import statement binds. ``index`` is its place there, ``qualified`` what is written."""

    statement: Import
    index: int
    qualified: str  # a relative import's starts with a dot
    local: str
    renamed: bool  # by ``as``

    @property
    def binds_root(self) -> bool:
        """Whether this is ``import torch.cuda``, which binds ``torch``."""
        return self.local != self.qualified and not self.renamed and self.statement.module is None


class Names:
    """The names of one file, by one pass over its tree. Raises SyntaxError where Python cannot read it.

    ``imports``: by byte offset of the import's ``alias`` node. ``loads``, ``bindings``: how often each name is
    read, and given a value, anywhere in the file. ``modules``: what module-level imports bring, by qualified name, and
    what it is called. ``torch``: what the module ``torch`` is called. ``scopes``: see `porter.rewrite.scopes`.
    """

    def __init__(self, source: Source):
        tree = ast.parse(source.text.decode())
        self._starts = source.line_starts
        self.imports: dict[int, Imported] = {}
        self.loads: Counter[str] = Counter()
        self.bindings: Counter[str] = Counter()
        self._visit(tree)
        self.scopes = scopes(tree, self._offset)
        self.modules = self._modules(tree)
        self.torch = self.modules.get("torch")

    def taken(self, name: str) -> bool:
        """Whether the file uses ``name`` for anything."""
        return bool(self.loads[name] or self.bindings[name])

    def _visit(self, tree: ast.Module) -> None:
        blocks: dict[int, int] = {}
        trials: dict[int, ast.Try] = {}
        for node in ast.walk(tree):
            for body in bodies(node):
                blocks.update((id(child), len(body)) for child in body)
            if isinstance(node, ast.Try) and _only_raises(node):
                trials[id(node.body[0])] = node
            if isinstance(node, ast.Name):
                (self.bindings if isinstance(node.ctx, ast.Store) else self.loads)[node.id] += 1
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                trial = trials.get(id(node))
                span = (*self._span(trial), blocks[id(trial)]) if trial is not None else None
                self._import(node, blocks[id(node)], span)
            elif isinstance(node, ast.arg):
                self.bindings[node.arg] += 1
            elif isinstance(name := getattr(node, "name", None), str) and not isinstance(node, ast.alias):
                self.bindings[name] += 1  # functions, classes, handlers, patterns, type parameters

    def _import(self, node: ast.Import | ast.ImportFrom, siblings: int, trial: tuple[int, int, int] | None) -> None:
        module = "." * node.level + (node.module or "") if isinstance(node, ast.ImportFrom) else None
        statement = Import(*self._span(node), module, siblings, trial)
        for index, alias in enumerate(node.names):
            qualified = alias.name if module is None else f"{module}.{alias.name}"
            local = alias.asname or (alias.name.partition(".")[0] if module is None else alias.name)
            self.bindings[local] += 1
            found = Imported(statement, index, qualified, local, alias.asname is not None)
            self.imports[self._offset(alias.lineno, alias.col_offset)] = found

    def _span(self, node: ast.stmt) -> tuple[int, int]:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return self._offset(node.lineno, node.col_offset), self._offset(node.end_lineno, node.end_col_offset)

    def _offset(self, line: int, column: int) -> int:
        return self._starts[line - 1] + column

    def _modules(self, tree: ast.Module) -> dict[str, str]:
        """What module-level imports bring, by qualified name: the name that stands for it and nothing else anywhere."""
        values = {place: found.local if found.binds_root else found.qualified for place, found in self.imports.items()}
        always = Counter((self.imports[place].local, value) for place, value in values.items())
        modules: dict[str, str] = {}
        for statement in _module_level(tree):
            if isinstance(statement, (ast.Import, ast.ImportFrom)):
                for alias in statement.names:
                    if alias.name == "*" and self.loads["torch"] and not self.bindings["torch"]:
                        modules.setdefault("torch", "torch")  # it can be nothing but PyTorch: see `porter.index.scope`
                    place = self._offset(alias.lineno, alias.col_offset)
                    local, value = self.imports[place].local, values[place]
                    if always[local, value] == self.bindings[local]:
                        modules.setdefault(value, local)
        return modules


def _only_raises(node: ast.Try) -> bool:
    """Whether a ``try`` holds one statement, and all its handlers end the program."""
    plain = len(node.body) == 1 and not node.orelse and not node.finalbody
    return plain and all(isinstance(handler.body[-1], ast.Raise) for handler in node.handlers)


def rewrite_import(text: bytes, statement: Import, moves: Mapping[int, str | None]) -> tuple[TextEdit, ...] | None:
    """Edits that make an import statement bring its names from elsewhere.

    ``moves`` has, by place in the statement, a name's new qualified name, or None to drop it. Names bound with
    ``as`` keep it. Names that part from the rest get a statement of their own, above. None where that cannot be
    done without losing a comment or breaking the layout.
    """
    parsed = _parse(text, statement)
    if parsed is None:
        return None
    dropped = {i for i, target in moves.items() if target is None}
    if len(dropped) == len(parsed.names):
        gone = statement.trial or (statement.start, statement.end, statement.siblings)
        deletion = delete_statement(text, *gone, with_comment=True)  # it says what the import is for
        return None if deletion is None else (_with_gap(text, deletion),)
    homes = {i: _home(target, statement) for i, target in moves.items() if target is not None}
    if len(moves) < len(parsed.names) or not homes:
        here = statement.module
    else:
        here = Counter(module for module, _ in homes.values()).most_common(1)[0][0]
    leaving = {i for i, (module, _) in homes.items() if module != here}
    edits = CommaList(text, parsed.opens, parsed.closes, parsed.elements).edits(dropped | leaving)
    above = parsed.statements({i: homes[i] for i in sorted(leaving)})
    if edits is None or above is None:
        return None
    if here is not None and here != statement.module:
        edits.append(TextEdit(*parsed.module, here))
    for i, (_, name) in homes.items():
        start = parsed.elements[i].start
        if i not in leaving and name != parsed.name(i):
            end = parsed.elements[i].end if name == parsed.local(i) else start + len(parsed.name(i))
            edits.append(TextEdit(start, end, name))
    return tuple(sorted([*above, *edits]))


def _with_gap(text: bytes, deletion: TextEdit) -> TextEdit:
    """The deletion of what opens a block, and of the blank lines that set it off."""
    if deletion.text or not text[: deletion.start].rstrip(b" \t").endswith((b":\n", b":\r\n")):
        return deletion
    gap = re.compile(rb"(?:[ \t]*\r?\n)*").match(text, deletion.end)
    assert gap is not None
    return TextEdit(deletion.start, gap.end(), "")


def _home(target: str, statement: Import) -> tuple[str | None, str]:
    """The module to import from, and the name there."""
    if statement.module is None:
        return None, target
    module, _, name = target.rpartition(".")
    return module, name


class _Parsed(msgspec.Struct):
    """An import statement, read with libcst. ``module`` is the span of what stands behind ``from``."""

    text: bytes
    start: int
    names: tuple[libcst.ImportAlias, ...]
    code: Callable[[libcst.CSTNode], str]
    module: tuple[int, int]
    opens: int
    closes: int
    elements: list[Element]

    def name(self, i: int) -> str:
        """The imported name at place ``i``, without ``as``."""
        return self.code(self.names[i].name)

    def local(self, i: int) -> str:
        """What the name at place ``i`` is bound to by ``as``; empty without."""
        asname = self.names[i].asname
        return self.code(asname.name) if asname is not None else ""

    def statements(self, homes: Mapping[int, tuple[str | None, str]]) -> list[TextEdit] | None:
        """New statements above this one, by module; None where there is no line for them."""
        if not homes:
            return []
        line = max(self.text.rfind(b"\n", 0, self.start), self.text.rfind(b"\r", 0, self.start)) + 1
        indent = self.text[line : self.start].decode()
        if indent.strip():
            return None
        by_module: dict[str | None, list[str]] = {}
        for i, (module, name) in homes.items():
            asname = self.names[i].asname
            by_module.setdefault(module, []).append(name + (self.code(asname) if asname else ""))
        lines = "".join(f"from {module} import {', '.join(names)}\n{indent}" for module, names in by_module.items())
        return [TextEdit(self.start, self.start, lines)]


def _parse(text: bytes, statement: Import) -> _Parsed | None:
    """Read the statement's slice; None for star and relative imports, which porter leaves alone."""
    import libcst

    tree = libcst.parse_module(text[statement.start : statement.end].decode())
    line = tree.body[0]
    assert isinstance(line, libcst.SimpleStatementLine)
    node = line.body[0]
    assert isinstance(node, (libcst.Import, libcst.ImportFrom))
    if isinstance(node.names, libcst.ImportStar):
        return None

    def width(*parts: libcst.CSTNode) -> int:
        return sum(len(tree.code_for_node(part).encode()) for part in parts)

    module = (statement.start, statement.start)
    opens, closes = statement.start, statement.end
    if isinstance(node, libcst.ImportFrom):
        if node.relative or node.module is None:
            return None
        start = opens + len("from") + width(node.whitespace_after_from)
        module = (start, start + width(node.module))
        opens = module[1] + width(node.whitespace_before_import)
    opens += len("import") + width(node.whitespace_after_import)
    first = opens
    if isinstance(node, libcst.ImportFrom) and isinstance(node.lpar, libcst.LeftParen):
        first = opens + width(node.lpar)
        opens, closes = opens + 1, closes - 1
    found, end = elements(node.names, first, tree.code_for_node)
    assert end <= closes, "import not read exactly"
    return _Parsed(text, statement.start, tuple(node.names), tree.code_for_node, module, opens, closes, found)


def bodies(node: ast.AST) -> Iterator[list[ast.AST]]:
    """The blocks of statements in ``node``."""
    for field in ("body", "orelse", "finalbody"):
        block = getattr(node, field, None)
        if isinstance(block, list):
            yield block


def _module_level(node: ast.AST) -> Iterator[ast.AST]:
    """Statements that run when the module is imported, those of classes excepted."""
    for block in bodies(node):
        for statement in block:
            yield statement
            if isinstance(statement, (ast.If, ast.Try, ast.With)):
                yield from _module_level(statement)
