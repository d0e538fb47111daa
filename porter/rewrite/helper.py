"""A small module of the user's own that asks for the device: written on request, with what the program uses of it.

Edits then say ``from accelerator import synchronize`` where they would bring a test for the device along. The functions
are in ``porter/targets/accelerator.txt``; the file holds those that are used, and depends on PyTorch alone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import msgspec

import porter
from porter.config import ConfigError
from porter.rules.base import Borrowing

_TEXT = Path(porter.__file__).parent / "targets" / "accelerator.txt"


class Part(msgspec.Struct, frozen=True):
    """A definition of the helper, with the comment above it, and the others that it uses."""

    text: str
    uses: frozenset[str]


class Helper(msgspec.Struct, frozen=True):
    """The helper of a run: where it is to be, and how files import it."""

    path: str

    def check(self) -> None:
        """Raise ConfigError where the file cannot be the helper, or is something else already."""
        path = Path(self.path)
        if path.suffix != ".py" or not path.stem.isidentifier():
            raise ConfigError(
                f"--helper: `{self.path}` is no module: name a file that can be imported, `accelerator.py`"
            )
        if path.exists() and not self._is_own(path.read_text(encoding="utf-8")):
            raise ConfigError(f"--helper: `{self.path}` is there already, and porter has not written it")

    def borrowing(self, path: str) -> Borrowing | None:
        """What a file imports of the helper, and from where; None where it cannot: the two have no folder in common."""
        root, name = _importable(self.path)
        mine, own = _importable(path)
        return Borrowing(name, frozenset(parts()) - {"_ask"}) if mine == root and own != name else None

    def written(self, files: Iterable[tuple[str, bytes]]) -> tuple[bytes, bytes] | None:
        """The helper before and after, by what ``files`` (path and text) import of it; None where nothing changes."""
        path = Path(self.path)
        before = path.read_bytes() if path.exists() else b""
        used = {name for file, text in files for name in self._imported(file, text)}
        if not used:
            return None
        known = _names(before.decode())
        if used <= known:
            return None
        return before, _composed(used | known, before.decode())

    def _imported(self, path: str, text: bytes) -> set[str]:
        borrowing = self.borrowing(path)
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError):
            return set()
        found = set()
        for node in ast.walk(tree):
            match node:
                case ast.ImportFrom(module=module, names=names, level=0) if borrowing and module == borrowing.module:
                    found |= {alias.name for alias in names}
        return found & parts().keys()

    @staticmethod
    def _is_own(text: str) -> bool:
        return "`porter rewrite --helper`" in text


@cache
def parts() -> dict[str, Part]:
    """The definitions that a helper may hold, by name, in order; the head of the file has an empty name."""
    text = _TEXT.read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    tree = ast.parse(text)
    found: dict[str, Part] = {}
    last = 0
    for node in tree.body:
        name = node.name if isinstance(node, ast.FunctionDef) else ""
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
        assert node.end_lineno is not None
        piece = "".join(lines[last : node.end_lineno])
        last = node.end_lineno
        uses = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)} - {name}
        found[name] = Part(found[name].text + piece if name in found else piece, frozenset(uses))
    return {name: Part(part.text, part.uses & found.keys()) for name, part in found.items()}


def _composed(names: set[str], before: str) -> bytes:
    """The text of a helper with these definitions and what they use; one that is there keeps what it has."""
    wanted = set(names)
    while more := {use for name in wanted for use in parts()[name].uses} - wanted:
        wanted |= more
    if before:
        added = [part.text for name, part in parts().items() if name in wanted - _names(before)]
        return (before.rstrip("\n") + "\n" + "".join(added)).encode()
    return "".join(part.text for name, part in parts().items() if not name or name in wanted).encode()


def _names(text: str) -> set[str]:
    """What a helper defines of `parts`."""
    tree = ast.parse(text)
    found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    targets = (node.targets[0] for node in tree.body if isinstance(node, ast.Assign))
    return (found | {target.id for target in targets if isinstance(target, ast.Name)}) & parts().keys()


def _importable(path: str) -> tuple[str, str]:
    """The folder that a file is imported from, that of its outermost package, and the name it is imported by."""
    file = Path(path).absolute()
    names = [] if file.stem == "__init__" else [file.stem]
    folder = file.parent
    while (folder / "__init__.py").is_file() and folder.parent != folder:
        names.insert(0, folder.name)
        folder = folder.parent
    return str(folder), ".".join(names)
