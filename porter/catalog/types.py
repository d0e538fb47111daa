"""What porter knows about the classes of values: which class a call, a method or an attribute of a known one yields.

The knowledge itself is data, ``types.txt`` beside this module. A class is a qualified name, ``torch.Tensor``; where
more is known than a class, its symbolic forms (``iter:X``, ``tuple:X,Y``, ``=0``) are explained in that file.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path

COMPOUND = ("item:", "iter:", "tuple:", "any:")  # forms of several values, or of a part of one
SYMBOLIC = ("result:", *COMPOUND)  # forms that are no class; see `porter.index.infer`
_DATA = Path(__file__).with_name("types.txt")
_UNKNOWN = "-"


def either(classes: Iterable[str]) -> str | None:
    """What a value is that is of one of some classes, ``any:X,Y``; None where there is none, or one is compound."""
    several = tuple(dict.fromkeys(classes))
    if not several or any(name.startswith(COMPOUND) for name in several):
        return None
    return several[0] if len(several) == 1 else f"any:{','.join(several)}"


class _Table:
    """One section: qualified names, as globs below their owner, and what they yield."""

    def __init__(self) -> None:
        self._exact: dict[str, str] = {}
        self._globs: dict[str, list[tuple[str, str]]] = {}
        self._memo: dict[str, str | None] = {}

    def add(self, owner: str, name: str, result: str) -> None:
        if owner.endswith("*") or "*" in name or "[" in name or "?" in name:
            self._globs.setdefault(owner, []).append((name, result))
        else:
            self._exact.setdefault(f"{owner}.{name}", result)

    def find(self, qualified: str) -> str | None:
        """The result for a name: spelled out, else by a glob of its owner, of ``owner.*`` or of ``owner.*.*``."""
        if qualified not in self._memo:
            self._memo[qualified] = self._exact.get(qualified) or self._search(qualified)
        return self._memo[qualified]

    def _search(self, qualified: str) -> str | None:
        owner, _, name = qualified.rpartition(".")
        above = owner.rpartition(".")[0]
        for place in (owner, above + ".*", above.rpartition(".")[0] + ".*.*"):
            for glob, result in self._globs.get(place, ()):
                if fnmatchcase(name, glob):
                    return result
        return None


class Types:
    """Look-ups over ``types.txt``. Qualified names go in, qualified names (or None: not known) come out."""

    def __init__(self, text: str) -> None:
        """``text`` is the data file. Raises ValueError on a line that does not fit its format."""
        self._tables = {name: _Table() for name in ("class", "call", "method", "attribute")}
        self._tells: dict[str, str] = {}
        self._factories: set[str] = set()
        section = result = ""
        for number, line in enumerate(text.splitlines(), 1):
            if not line or line.startswith("#"):
                continue
            if line.startswith("["):
                section, result = line.strip("[]"), ""
            elif not line.startswith(" "):
                result = line
            elif section == "factory":
                self._factories.update(line.split())
            elif section == "tell":
                self._tells.update(dict.fromkeys(line.split(), result))
            elif section in self._tables and result and ": " in line:
                owner, _, names = line.strip().partition(": ")
                for name in names.split():
                    self._tables[section].add(owner, name, result)
            else:
                raise ValueError(f"line {number} of the type table fits no section: {line.strip()}")

    def canonical(self, qualified: str) -> str:
        """The class that rules know a class by: ``torch.nn.Linear`` is a ``torch.nn.Module``. Itself where unknown."""
        return self._class(qualified) or qualified

    def returns(self, qualified: str) -> str | None:
        """What calling a function or a class yields; ``=0`` where it is what the first argument is."""
        result = self._tables["class"].find(qualified) or self._tables["call"].find(qualified)
        if result is None:
            owner, _, name = qualified.rpartition(".")
            return self._class(owner) if name in self._factories else None
        return _known(result)

    def method(self, type: str, name: str) -> str | None:
        """What calling the method ``name`` of an instance of ``type`` yields; ``__call__``: calling the instance."""
        return _known(self._tables["method"].find(f"{self.canonical(type)}.{name}"))

    def attribute(self, type: str, name: str) -> str | None:
        """What the attribute ``name`` of an instance of ``type`` holds."""
        return _known(self._tables["attribute"].find(f"{self.canonical(type)}.{name}"))

    def item(self, type: str, index: int | None = None) -> str | None:
        """What is at ``index`` of an instance of ``type``; without one, what iterating over it yields."""
        if type in ("torch.Tensor", "torch.utils.data.DataLoader"):
            return "torch.Tensor" if index is None or type == "torch.Tensor" else None
        form, _, rest = type.partition(":")
        if form == "iter":
            return rest
        if form == "tuple":
            parts = rest.split(",")
            chosen = set(parts) if index is None else set(parts[index : index + 1 or None])
            return _known(chosen.pop()) if len(chosen) == 1 else None
        return f"item:{'' if index is None else index}:{type}" if form in ("result", "item") and rest else None

    def tells(self, method: str) -> str | None:
        """The class of any object that has such a method, where its name alone is strong evidence."""
        return self._tells.get(method)

    def _class(self, qualified: str) -> str | None:
        return _known(self._tables["class"].find(qualified))


def _known(result: str | None) -> str | None:
    return None if result == _UNKNOWN else result


@lru_cache(maxsize=1)
def load_types() -> Types:
    """The built-in type table, read once per process."""
    return Types(_DATA.read_text(encoding="utf-8"))
