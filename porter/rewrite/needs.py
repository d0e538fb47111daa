"""Names that edits write and the file may not have: modules to import, and what the target has files define.

A rule writes a qualified name, marked by `porter.rules.base.named`, wherever its edit needs one. Here each is spelled
as the file spells it; what the file lacks is added, once, after the imports that it goes with.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, takewhile

import msgspec

from porter.model import Effort, Verdict
from porter.rewrite.imports import Names
from porter.rules.base import Borrowing, Judgement, TextEdit, named
from porter.rules.spelling import FOUND
from porter.sources.source import Source

# Modules that must be imported to be there, and the name that programs give them.
_MODULES = {
    "contextlib": "contextlib",
    "functools": "functools",
    "time": "time",
    "torch": "torch",
    "torch_neuronx": "torch_neuronx",
    "torch_xla": "torch_xla",
    "torch_xla.core.xla_model": "xm",
    "torch_xla.debug.profiler": "xp",
    "torch_xla.distributed.parallel_loader": "pl",
    "torch_xla.distributed.xla_backend": "",  # imported for what it registers
    "torch_xla.runtime": "xr",
}
_MARKED = re.compile("\ue000([^\ue001]*)\ue001")
_HEAD = re.compile(rb"(?:[ \t\f]*(?:#[^\r\n]*)?(?:\r\n|\r|\n))?[ \t\f]*#[^\r\n]*?coding[:=][^\r\n]*|#![^\r\n]*")
_LINE_END = re.compile(rb"\r?\n")
_IDIOM = re.compile(rb"\s+if [\w.]+\.is_available\(\) else [\"']cpu[\"']")
_TORCH = re.compile(r"\btorch(?=\.)")


class _Taken(Exception):
    """A name cannot be brought into the file; the message, for the reader, says why."""


class _Need(msgspec.Struct, frozen=True, order=True):
    """A line to add at an offset: at one place, imports come before definitions."""

    at: int
    defines: bool
    line: str


def supply(
    source: Source,
    judgements: Sequence[Judgement],
    definitions: Mapping[str, str],
    hindrance: str = "",
    borrowing: Borrowing | None = None,
) -> list[Judgement]:
    """Spell what is `named` in the judgements' edits, and add what the file lacks for it.

    ``definitions`` has the names that the target lets files define, with their expressions; ``hindrance`` is why they
    cannot. Names of the helper begin with ``@``; with ``borrowing``, what would be defined comes from there too. A
    judgement whose names cannot be had is left to a person, and so is its group.
    """
    if not any(_MARKED.search(edit.text) for j in judgements for edit in j.edits):
        return list(judgements)
    speller = _Speller(source, judgements, definitions, hindrance, borrowing)
    spelled: list[tuple[Judgement, frozenset[_Need]]] = []
    stuck: dict[str, str] = {}
    for judgement in judgements:
        try:
            spelled.append(speller.spell(judgement))
        except _Taken as reason:
            spelled.append((_by_hand(judgement, str(reason)), frozenset()))
            if judgement.group:
                stuck.setdefault(judgement.group, str(reason))
    lines = speller.lines(frozenset().union(*(needs for _, needs in spelled)))
    return [
        _by_hand(judgement, stuck[judgement.group])
        if judgement.group in stuck and judgement.edits
        else _with(judgement, {lines[need.at] for need in needs})
        for judgement, needs in spelled
    ]


def _with(judgement: Judgement, lines: set[TextEdit]) -> Judgement:
    return msgspec.structs.replace(judgement, edits=tuple(sorted([*judgement.edits, *lines]))) if lines else judgement


def _by_hand(judgement: Judgement, why: str) -> Judgement:
    advice = f"{judgement.advice} porter leaves it: {why}.".lstrip()
    return msgspec.structs.replace(
        judgement, verdict=Verdict.MANUAL, advice=advice, edits=(), rename=None, group=None, effort=Effort.MINUTES
    )


class _Speller:
    """How one file spells names, and what it needs for them."""

    def __init__(
        self,
        source: Source,
        judgements: Iterable[Judgement],
        definitions: Mapping[str, str],
        hindrance: str = "",
        borrowing: Borrowing | None = None,
    ):
        self._source = source
        self._hindrance = hindrance
        self._borrowing = borrowing
        self._definitions = definitions
        try:
            self._tree = ast.parse(source.text.decode())
            self._names: Names | None = Names(source)
        except (SyntaxError, ValueError, RecursionError):
            self._tree, self._names = ast.Module([], []), None
        edits = list(dict.fromkeys(edit for j in judgements for edit in j.edits))
        self._replaced = [edit for edit in edits if edit.end > edit.start]
        self._once = self._whole_values(edits)
        self._first = min(
            (e.start for e in edits if any(n in definitions or n[0] == "@" for n in _MARKED.findall(e.text))), default=0
        )
        self._runs = self._first_to_run([e for e in edits if _MARKED.search(e.text)])
        self._late = self._imported_after(self._runs)
        wanted = {name for edit in edits for name in _MARKED.findall(edit.text)}
        self._names_device = "DEVICE" in wanted and "DEVICE" not in self._once and not hindrance
        self._known: dict[str, tuple[str, tuple[_Need, ...]]] = {}

    def spell(self, judgement: Judgement) -> tuple[Judgement, frozenset[_Need]]:
        """The judgement with its names spelled, and what it needs. Raises _Taken."""
        needs: set[_Need] = set()

        def local(match: re.Match[str]) -> str:
            spelled, found = self._local(match[1])
            needs.update(found)
            return spelled

        edits = [TextEdit(e.start, e.end, _MARKED.sub(local, self._short(e))) for e in judgement.edits]
        return msgspec.structs.replace(judgement, edits=tuple(edits)), frozenset(needs)

    def _short(self, edit: TextEdit) -> str:
        """The text of an edit, with the name for the device where the file has it above; not of PyTorch's own idiom."""
        if FOUND not in edit.text or not self._names_device or edit.start < self._first_line():
            return edit.text
        return edit.text if _IDIOM.match(self._source.text, edit.end) else edit.text.replace(FOUND, named("DEVICE"))

    def lines(self, needs: Iterable[_Need]) -> dict[int, TextEdit]:
        """By place, the lines to add there, one edit for all that need some of them."""
        text, found = self._source.text, {}
        end = "\r\n" if b"\r\n" in text else "\n"
        for at, group in groupby(sorted(needs), key=lambda need: need.at):
            wanted = list(group)
            imports = _merged(need.line for need in wanted if not need.defines)
            defined = [need.line for need in wanted if need.defines]
            added = "".join(f"\n{line}" if at else f"{line}\n" for line in imports)
            if defined:
                gap = "\n" if self._followed(at) else ""
                added += "\n\n" + "\n".join(defined) + gap
            found[at] = TextEdit(at, at, added.replace("\n", end))
        return found

    def _local(self, qualified: str) -> tuple[str, tuple[_Need, ...]]:
        """What to write for a qualified name, and the lines that this needs."""
        if self._names is None:
            raise _Taken("this Python cannot read the file's imports")
        if qualified.startswith("!"):
            return "", self._local(qualified[1:])[1]
        if self._borrowing is not None and (qualified.startswith("@") or qualified in self._definitions):
            return self._borrow(qualified.lstrip("@"), self._borrowing)
        home = _home(qualified) if qualified not in self._definitions else qualified
        imported = self._imported(qualified, home)
        if imported is not None:
            return imported, ()
        if home not in self._known:
            self._known[home] = self._define(home) if home in self._definitions else self._import(home)
        name, needs = self._known[home]
        return name + qualified[len(home) :], needs

    def _borrow(self, name: str, borrowing: Borrowing) -> tuple[str, tuple[_Need, ...]]:
        """What to write for a name of the helper: the name, or that of its module before it, where it is taken."""
        assert self._names is not None
        if self._hindrance and name in self._definitions:
            raise _Taken(self._hindrance)
        if name in self._once:
            return self._define(name)
        module = borrowing.module
        known = self._names.modules.get(f"{module}.{name}")
        if known is not None:
            return known, ()
        local = self._free(name)
        renamed = f" as {local}" if local != name else ""
        return local, (_Need(self._after_imports(), False, f"from {module} import {name}{renamed}"),)

    def _free(self, name: str) -> str:
        """A name that the file has no other use for. Raises _Taken."""
        assert self._names is not None
        free = next((n for n in (name, f"{name}_TYPE", f"PORTED_{name}") if not self._names.taken(n)), None)
        if free is None:
            raise _Taken(f"`{name}` means something else in this file")
        return free

    def _imported(self, qualified: str, home: str) -> str | None:
        """``qualified`` through an import that the file has: that of the longest part of it."""
        assert self._names is not None
        for module, local in sorted(self._names.modules.items(), key=lambda item: -len(item[0])):
            if f"{qualified}.".startswith(f"{module}.") and len(module) >= len(home) and local not in self._late:
                return local + qualified[len(module) :]
        return None

    def _import(self, module: str) -> tuple[str, tuple[_Need, ...]]:
        """The name to import ``module`` by, and the import."""
        assert self._names is not None
        root, wanted = module.partition(".")[0], _MODULES[module]
        if wanted and not self._names.taken(wanted):
            named = f" as {wanted}" if wanted != module else ""
            return wanted, (_Need(self._beside(root), False, f"import {module}{named}"),)
        if self._names.taken(root) and self._names.modules.get(root) != root:
            raise _Taken(f"`{root}` means something else in this file")
        return module, (_Need(self._beside(root), False, f"import {module}"),)

    def _define(self, name: str) -> tuple[str, tuple[_Need, ...]]:
        """The name to define as the target says, and the definition; one that the file has already is taken."""
        assert self._names is not None
        torch, needs = self._local("torch")
        expression = _TORCH.sub(torch, self._definitions[name])
        expression = expression.replace("'", '"')
        if name in self._once:
            return expression, needs
        for statement in self._tree.body:
            match statement:
                case ast.Assign(targets=[ast.Name(id=local)], value=value) if self._names.bindings[local] == 1:
                    if ast.dump(value) == ast.dump(ast.parse(expression, mode="eval").body):
                        return local, needs
        if self._hindrance:
            raise _Taken(self._hindrance)
        free = self._free(name)
        at = max((self._after_imports(), *(need.at for need in needs)))
        if torch in self._imported_after(at):  # it would come too late
            needs = (_Need(at, False, "import torch" if torch == "torch" else f"import torch as {torch}"),)
        return free, (*needs, _Need(at, True, f"{free} = {expression}"))

    def _whole_values(self, edits: Sequence[TextEdit]) -> set[str]:
        """The names that are needed once, as the whole of what is assigned or returned: they are written out there."""
        uses = {e: names for e in edits if (names := [n for n in _MARKED.findall(e.text) if n in self._definitions])}
        if len(uses) != 1:
            return set()
        ((edit, names),) = uses.items()
        values = (n.value for n in ast.walk(self._tree) if isinstance(n, ast.Assign | ast.AnnAssign | ast.Return))
        spans = {self._span(value) for value in values if value is not None}
        return set(names) if _MARKED.fullmatch(edit.text) and (edit.start, edit.end) in spans else set()

    def _first_to_run(self, edits: Iterable[TextEdit]) -> int:
        """Where the first edit stands that runs as the file is imported, or as the cells of a notebook run in order."""
        functions = (n for n in ast.walk(self._tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
        bodies = [(self._span(node.body[0])[0], self._span(node)[1]) for node in functions]
        running = (e.start for e in edits if not any(start <= e.start < end for start, end in bodies))
        return min(running, default=len(self._source.text))

    def _imported_after(self, place: int) -> set[str]:
        """The names that the file's imports bring after a place, and none before it."""
        found = self._names.imports.values() if self._names is not None else ()
        return {i.local for i in found} - {i.local for i in found if i.statement.start < place}

    def _span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        starts = self._source.line_starts
        assert node.end_lineno is not None and node.end_col_offset is not None
        return starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset

    def _followed(self, at: int) -> bool:
        """Whether the line that ends at ``at`` is followed by one that is not blank, and stays."""
        end = _LINE_END.match(self._source.text, at)
        following = end.end() if end is not None else at
        gone = {edit.start: edit.end for edit in self._replaced if not edit.text}
        while following in gone:
            following = gone[following]
        return self._source.text[following : following + 1] not in (b"", b"\r", b"\n")

    def _beside(self, package: str) -> int:
        """The end of the line after which to import: of torch's imports of one form, else of the last one on top.

        What comes with Python stands in the order of the alphabet, above all others. Nothing comes after what needs it.
        """
        ends = [(s, end) for s in self._tree.body if (end := self._end(s)) is not None and end <= self._runs]
        if not package.startswith("torch"):
            return max((end for s, end in ends if _is_text(s) or _comes_before(s, package)), default=self._top())
        torch = next((i for i, (s, _) in enumerate(ends) if _imports(s, "torch")), None)
        if torch is not None:
            alike = takewhile(
                lambda found: type(found[0]) is type(ends[torch][0]) and _imports(found[0], "torch"), ends[torch:]
            )
            return max(end for _, end in alike)
        above = (end for s, end in ends if isinstance(s, (ast.Import, ast.ImportFrom)) or _is_text(s))
        return max(above, default=self._top())

    def _top(self) -> int:
        """The end of the last line that must be one of the first two: the interpreter's name, the encoding's."""
        head = _HEAD.match(self._source.text)
        return head.end() if head is not None else 0

    def _after_imports(self) -> int:
        """The end of the line after which to define: of the imports before anything that is not one."""
        last = 0
        for statement in self._tree.body:
            end = self._end(statement)
            if isinstance(statement, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
                break
            if _is_import(statement) and end is not None and end <= self._first:
                last = end
        if not last:
            raise _Taken("no import at the top of the file stands before it")
        return last

    def _first_line(self) -> int:
        """From where on a name that is defined is known; the end of the file where none can be."""
        try:
            return self._after_imports()
        except _Taken:
            return len(self._source.text)

    def _end(self, statement: ast.stmt) -> int | None:
        """Where the line ends that a statement ends on; None where an edit changes that."""
        assert statement.end_lineno is not None and statement.end_col_offset is not None
        text, starts = self._source.text, self._source.line_starts
        at = starts[statement.end_lineno - 1] + statement.end_col_offset
        end = re.compile(rb"[^\r\n]*").match(text, at)
        assert end is not None
        touched = any(e.start <= end.end() <= e.end for e in self._replaced)
        return None if touched else end.end()


def _merged(lines: Iterable[str]) -> Iterator[str]:
    """Imports, with the names that come from one module in one line."""
    for module, group in groupby(lines, key=lambda line: line.partition(" import ")[0]):
        alike = list(group)
        if not module.startswith("from "):
            yield from alike
            continue
        names = sorted(line.partition(" import ")[2] for line in alike)
        yield f"{module} import {', '.join(names)}"


def _home(qualified: str) -> str:
    """The module to import for a qualified name."""
    return max((m for m in _MODULES if f"{qualified}.".startswith(f"{m}.")), key=len)


def _comes_before(statement: ast.stmt, package: str) -> bool:
    """Whether a statement imports something of Python's own, plainly, that is sorted before a package."""
    if isinstance(statement, ast.ImportFrom):
        return statement.module == "__future__"
    names = [alias.name for alias in statement.names] if isinstance(statement, ast.Import) else []
    return any(name.partition(".")[0] in sys.stdlib_module_names and name < package for name in names)


def _imports(statement: ast.stmt, package: str) -> bool:
    match statement:
        case ast.Import(names=names):
            return any(f"{name.name}.".startswith(f"{package}.") for name in names)
        case ast.ImportFrom(module=str(module), level=0):
            return f"{module}.".startswith(f"{package}.")
    return False


def _is_import(statement: ast.stmt) -> bool:
    """Whether a statement imports, or is a block that begins with an import, which may fail or is for type checkers."""
    if isinstance(statement, ast.Try | ast.If):
        return _is_import(statement.body[0])
    return isinstance(statement, ast.Import | ast.ImportFrom)


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
