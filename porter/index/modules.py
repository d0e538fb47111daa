"""The modules of a repository: which file a name is of, and what it stands for there.

Files without CUDA are read when something asks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, cached_property

from porter.index.build import is_nested, module_name, packages_around
from porter.index.facts import Depth
from porter.index.summary import ClassInfo, Summary

HOPS = 6  # re-exports followed
_LOADS = 200  # files without CUDA that are read for the sake of others, in one run


class Modules:
    """The summaries of a repository's files, by name."""

    def __init__(self, paths: Iterable[str], load: Callable[[str, Depth], Summary | None]) -> None:
        """``paths`` are all Python files, analysed or not. ``load`` looks into one of them by path."""
        self._load = load
        self._loads = 0
        self._summaries: dict[str, Summary] = {}
        self._bindings: dict[str, Summary] = {}  # of files of which no more has been read
        self._classes: dict[str, ClassInfo] = {}
        self._resolved: dict[tuple[str, str], str] = {}
        self._resolved_so_far: dict[tuple[str, str], str] = {}  # by what had been read
        self._paths: dict[str, str] = {}
        self._names: dict[str, list[str]] = {}
        self._index_modules(paths)

    def _index_modules(self, paths: Iterable[str]) -> None:
        """Learn by which names modules are imported: from the folder that holds their outermost package, on disk."""
        self.own: set[str] = set()  # top-level packages of this repository
        packages, nested = cache(packages_around), cache(is_nested)
        for path in paths:
            module = module_name(path)
            self._paths[module] = path
            folder, _, file = path.rpartition("/")
            outside, around = packages(folder)
            stem = module_name(file)
            importable = ".".join([*around, *([stem] if stem != "__init__" else [])])
            for name in {module, importable}:
                self._names.setdefault(name, []).append(module)
            if around and not nested(folder):
                self.own.add(around[0])
            if around:
                self.own.add(f"{outside}.{around[0]}")  # in a namespace package: megatron.core
        self.own.discard("torch")  # a folder of that name, deep inside, is not what the files import

    def _merge(self, summaries: list[Summary]) -> None:
        """Add files whose names may refer to each other's."""
        for summary in summaries:
            self._summaries[summary.module] = summary
            self._classes.update(summary.classes)

    def summary(self, module: str) -> Summary | None:
        """The summary of a module by its path-based name; loaded now if it was not analysed."""
        if module not in self._summaries and self._may_read(module):
            self._summaries[module] = Summary(module)
            loaded = self._load(self._paths[module], "whole")
            if loaded is not None:
                self._merge([loaded])
                self._resolved_so_far.clear()
        return self._summaries.get(module)

    def bindings(self, module: str) -> Summary | None:
        """What a module binds and imports: of one that was not analysed, no more than that is read now."""
        if self._known_of(module) is None and self._may_read(module):
            self._bindings[module] = self._load(self._paths[module], "bindings") or Summary(module)
            self._resolved_so_far.clear()
        return self._known_of(module)

    def _known_of(self, module: str) -> Summary | None:
        return self._summaries.get(module) or self._bindings.get(module)

    def _may_read(self, module: str) -> bool:
        """Whether a module is the repository's; of those without CUDA, so many are read."""
        if module not in self._paths or (module not in self._bindings and self._loads == _LOADS):
            return False
        self._loads += module not in self._bindings
        return True

    def resolve(self, qualified: str, module: str, *, load: bool = True) -> str:
        """The path-based name of what ``qualified`` means in ``module``; itself where it is not of this repository."""
        resolved, key = self._resolved if load else self._resolved_so_far, (qualified, module)
        if key not in resolved:
            resolved[key] = self._resolve(qualified, module, load, HOPS)
        return resolved[key]

    def _resolve(self, qualified: str, module: str, load: bool, hops: int) -> str:
        parts = qualified.lstrip(".").split(".")
        if parts[0] == "torch" or hops == 0:
            return qualified
        for cut in range(len(parts), 0, -1):
            found = self._module(".".join(parts[:cut]), module)
            if found is None or (cut == len(parts) and self._hidden(found, parts, module, load)):
                continue
            rest = parts[cut:]
            summary = self.bindings(found) if load and rest else self._known_of(found)
            bound = self._bound(rest[0], summary, load) if rest and summary is not None else None
            if bound is not None and (target := ".".join([bound, *rest[1:]])) != qualified:
                return self._resolve(target, found, load, hops - 1)
            return ".".join([found, *rest])
        return qualified

    def _bound(self, name: str, summary: Summary, load: bool, hops: int = HOPS // 2) -> str | None:
        """What a module's imports bind a name to; where it imports all names of others, the last that has it."""
        if name in summary.names or hops == 0:
            return summary.exports.get(name)
        for star in reversed(summary.starred):
            found = self._module(star, summary.module)
            known = (self.bindings if load else self._known_of)(found) if found not in (None, summary.module) else None
            if known is not None and (name in known.names or self._bound(name, known, load, hops - 1)):
                return f"{star}.{name}"
        return None

    def _hidden(self, found: str, parts: list[str], module: str, load: bool) -> bool:
        """Whether the package of a module binds its name to something else: ``from .launch import launch``."""
        package = self._module(".".join(parts[:-1]), module)
        summary = (self.bindings if load else self._known_of)(package) if package is not None else None
        target = summary.exports.get(parts[-1]) if summary is not None else None
        return target is not None and package is not None and self._module(target, package) != found

    def _module(self, name: str, module: str) -> str | None:
        candidates = [c for c in self._names.get(name, ()) if not self._is_namesake(c, name, module)]
        if not candidates:
            return self._beside(name, module)
        if len(candidates) == 1:
            return candidates[0]
        here = module.split(".")

        def shared(candidate: str) -> int:
            return next(
                (i for i, (a, b) in enumerate(zip(here, candidate.split("."), strict=False)) if a != b), len(here)
            )

        return max(candidates, key=lambda c: (shared(c), -len(c)))

    def _is_namesake(self, candidate: str, name: str, module: str) -> bool:
        """Whether a file is called like what it imports: ``ops/fast.py`` imports the extension ``fast``, not itself."""
        return candidate == module != name and not self.path(module).endswith("__init__.py")

    def _beside(self, name: str, module: str) -> str | None:
        """The module called ``name`` to a script in a folder around ``module``, where folders have no `__init__.py`."""
        folder = module
        while folder:
            folder = folder.rpartition(".")[0]
            found = f"{folder}.{name}"
            if folder and found in self._paths and not self._is_namesake(found, name, module):
                return found
        return None

    def path(self, module: str) -> str:
        """Where a module of the repository stands; empty where it is none."""
        return self._paths.get(module, "")

    def has(self, module: str) -> bool:
        """Whether the repository has a module of this path-based name."""
        return module in self._paths

    def binds(self, module: str, name: str) -> bool:
        """Whether a module binds ``name`` at its top level."""
        summary = self._known_of(module)
        return summary is not None and name in summary.names

    def is_own(self, name: str, module: str = "") -> bool:
        """Whether a qualified name is of a package of this repository, or of ``module``, which uses it, by its path."""
        root, _, rest = name.partition(".")
        here = bool(rest) and root != "torch" and f"{module}.".startswith(f"{name}.")
        return here or root in self.own or f"{root}.{rest.partition('.')[0]}" in self.own

    def borrowed(self, name: str) -> bool:
        """Whether another file, as far as files are known, imports what has this path-based name."""
        known = (*self._summaries.values(), *self._bindings.values())
        borrowers = (s for s in known if not name.startswith(f"{s.module}."))
        last = name.rpartition(".")[2]
        named = ((q, s.module) for s in borrowers for q in s.exports.values() if q.endswith(f".{last}"))
        return any(self.resolve(qualified, module, load=False) == name for qualified, module in named)

    @cached_property
    def importers(self) -> dict[str, set[str]]:
        """By module, those that import something of it at their top, as far as files are known."""
        found: dict[str, set[str]] = {}
        for summary in self._summaries.values():
            for qualified in summary.exports.values():
                module = self.owner(self.resolve(qualified, summary.module, load=False))
                found.setdefault(module, set()).add(summary.module)
        return found

    def owner(self, qualified: str) -> str:
        """The module that holds a path-based name; empty where none of this repository does."""
        name = qualified
        while name and name not in self._paths:
            name = name.rpartition(".")[0]
        return name
