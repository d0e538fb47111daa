"""What only the whole repository can tell: which class a name elsewhere is, and where a value ends up."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, cached_property
from operator import attrgetter
from sys import intern

import msgspec

from porter.catalog.types import SYMBOLIC, Types
from porter.index.build import module_name, packages_around
from porter.index.facts import Depth, flow_of
from porter.index.noted import Noted
from porter.index.site import Site
from porter.index.summary import ClassInfo, Mark, Summary

_ELSEWHERE = ("p:", "r:", "g:")  # places that a file may define which is not read yet
_STEPS = 400  # places followed per question: a value that travels further is not followed by readers either
_HOPS = 6  # re-exports followed
_LOADS = 200  # files without CUDA that are read for the sake of others, in one run


class Project:
    """The summaries of a repository's files, merged. Files without CUDA are loaded when something asks for them."""

    def __init__(
        self,
        summaries: Iterable[Summary],
        paths: Iterable[str],
        types: Types,
        load: Callable[[str, Depth], Summary | None],
        mentioning: Callable[[str], list[str]],
        sites: Callable[[str], tuple[Site, ...]],
        files: Iterable[str] = (),
    ) -> None:
        """Merge ``summaries``.

        ``paths`` are all Python files, analysed or not. ``load`` looks into one of them by path; ``mentioning``
        lists the files that were not analysed, hold a word, and may put it on a device; ``sites`` are those of a
        module, as they stand there. ``files`` are the paths of all files, Python or not.
        """
        self.files: dict[str, list[str]] = {}  # names by folder
        for path in files:
            folder, _, name = path.rpartition("/")
            self.files.setdefault(folder, []).append(name)
        self.sites = sites
        self.needed: dict[str, str | None] = {}  # by module: the package for CUDA without which it cannot be imported
        self.types = types
        self._load = load
        self._mentioning = mentioning
        self._channels: set[str] = set()  # names that files which were not analysed have been searched for
        self._summaries: dict[str, Summary] = {}
        self._bindings: dict[str, Summary] = {}  # of files of which no more has been read
        self._classes: dict[str, ClassInfo] = {}
        self._waiting: list[Summary] = []  # whose flow of values nobody has asked for yet
        self._edges: dict[str, list[str]] = {}
        self._back: dict[str, list[str]] = {}
        self._spread: list[str] = []  # parameters that dictionaries fill, of functions not known yet
        self._sinks: dict[str, list[Mark]] = {}
        self._sources: dict[str, list[Mark]] = {}
        self._memo: dict[tuple[str, str, bool], Mark | None] = {}
        self._resolved: dict[tuple[str, str], str] = {}
        self._resolved_so_far: dict[tuple[str, str], str] = {}  # by what had been read
        self._paths: dict[str, str] = {}
        self._names: dict[str, list[str]] = {}
        self.options: Callable[[], Mapping[str, str]] = dict  # of files that were not analysed, with the file of each
        self._declared: dict[str, str] | None = None  # options and fields, likewise
        self._loads = 0
        self._index_modules(paths)
        self._merge(list(summaries))

    def _index_modules(self, paths: Iterable[str]) -> None:
        """Learn by which names modules are imported: from the folder that holds their outermost package, on disk."""
        self.own: set[str] = set()  # top-level packages of this repository
        packages = cache(packages_around)
        for path in paths:
            module = module_name(path)
            self._paths[module] = path
            folder, _, file = path.rpartition("/")
            outside, around = packages(folder)
            stem = module_name(file)
            importable = ".".join([*around, *([stem] if stem != "__init__" else [])])
            for name in {module, importable}:
                self._names.setdefault(name, []).append(module)
            if around:
                self.own.add(around[0])
                self.own.add(f"{outside}.{around[0]}")  # in a namespace package: megatron.core

    def _merge(self, summaries: list[Summary]) -> None:
        """Add files whose names may refer to each other's."""
        for summary in summaries:
            self._summaries[summary.module] = summary
            self._classes.update(summary.classes)
        self._waiting += summaries
        self._declared = None

    def _flow(self) -> None:
        """Enter where values flow in the files that were added."""
        if not self._waiting:
            return
        for summary in self._waiting:
            edges, marks = flow_of(summary)
            for edge in edges:
                source, target = (self._canonical(place, summary.module) for place in edge)
                if target.endswith(".**"):
                    self._spread.append(target)
                else:
                    self._edge(source, target)
            for mark in marks:
                table = self._sinks if mark.sink else self._sources
                table.setdefault(self._canonical(mark.place, summary.module), []).append(mark)
        self._waiting.clear()
        self._spread = [place for place in self._spread if not self._fill(place)]

    def _edge(self, source: str, target: str) -> None:
        source, target = intern(source), intern(target)  # kept once
        self._edges.setdefault(source, []).append(target)
        self._back.setdefault(target, []).append(source)

    def _fill(self, place: str) -> bool:
        """``f(**settings)``: a parameter takes what stands under its name. False while the function is not known."""
        function = self._canonical(place, "")[2:].removesuffix(".**")
        summary = self._summaries.get(self.owner(function))
        info = summary.functions.get(function) if summary is not None else None
        for name in (*info.parameters, *info.keywords) if info is not None else ():
            self._edge(f"k:{name}", f"p:{function}.{name}")
        return info is not None

    def update(self, summary: Summary) -> None:
        """Take a new version of one file into account, in a fraction of the time that all files take.

        What the old one said of the flow of values stays, which errs on the side of evidence; its sites stay, too.
        """
        self._merge([summary])
        self._memo.clear()
        self._resolved.clear()
        self._resolved_so_far.clear()

    # -- names ---------------------------------------------------------------------------------

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
            resolved[key] = self._resolve(qualified, module, load, _HOPS)
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
            if rest and summary is not None and rest[0] in summary.exports:
                target = ".".join([summary.exports[rest[0]], *rest[1:]])
                if target != qualified:
                    return self._resolve(target, found, load, hops - 1)
            return ".".join([found, *rest])
        return qualified

    def _hidden(self, found: str, parts: list[str], module: str, load: bool) -> bool:
        """Whether the package of a module binds its name to something else: ``from .launch import launch``."""
        package = self._module(".".join(parts[:-1]), module)
        summary = (self.bindings if load else self._known_of)(package) if package is not None else None
        target = summary.exports.get(parts[-1]) if summary is not None else None
        return target is not None and package is not None and self._module(target, package) != found

    def _module(self, name: str, module: str) -> str | None:
        candidates = self._names.get(name)
        if not candidates:
            return None
        if len(candidates) == 1:
            return candidates[0]
        here = module.split(".")

        def shared(candidate: str) -> int:
            return next(
                (i for i, (a, b) in enumerate(zip(here, candidate.split("."), strict=False)) if a != b), len(here)
            )

        return max(candidates, key=lambda c: (shared(c), -len(c)))

    def has(self, module: str) -> bool:
        """Whether the repository has a module of this path-based name."""
        return module in self._paths

    def binds(self, module: str, name: str) -> bool:
        """Whether a module binds ``name`` at its top level."""
        summary = self._known_of(module)
        return summary is not None and name in summary.names

    def borrowed(self, name: str) -> bool:
        """Whether another file, as far as files are known, imports what has this path-based name."""
        known = (*self._summaries.values(), *self._bindings.values())
        borrowers = (s for s in known if not name.startswith(f"{s.module}."))
        last = name.rpartition(".")[2]
        named = ((q, s.module) for s in borrowers for q in s.exports.values() if q.endswith(f".{last}"))
        return any(self.resolve(qualified, module, load=False) == name for qualified, module in named)

    @cached_property
    def noted(self) -> Noted:
        """What the sites of all files say together."""
        return Noted(((self._paths.get(module, module), self.sites(module)) for module in self._summaries), self.is_own)

    # -- classes -------------------------------------------------------------------------------

    def type_of(self, symbolic: str, module: str, hops: int = _HOPS) -> str:
        """The class that a symbolic type stands for: torch's where a base leads there, else the repository's own."""
        if hops == 0:
            return symbolic
        if symbolic.startswith("any:"):
            types = {self.type_of(part, module, hops - 1) for part in symbolic[4:].split(",")}
            return types.pop() if len(types) == 1 else symbolic
        form, _, rest = symbolic.partition(":")
        if form == "item":
            index, _, whole = rest.partition(":")
            found = self.types.item(self.type_of(whole, module, hops), int(index) if index else None)
            return found if found is not None else symbolic
        if form in ("iter", "tuple"):
            return f"{form}:{','.join(self.type_of(part, module, hops) for part in rest.split(','))}"
        if symbolic.startswith("result:"):
            name = self.resolve(symbolic[7:], module)
            owner = self.summary(self.owner(name))
            if name in self._classes:
                return self.type_of(name, module, hops - 1)
            function = owner.functions.get(name) if owner is not None else None
            if function is not None and function.returns:
                return self.type_of(function.returns, self.owner(name), hops - 1)
            canonical = self.types.returns(name)
            return canonical or symbolic
        canonical = self.types.canonical(symbolic)
        if canonical.startswith("torch."):
            return canonical
        name = self.resolve(symbolic, module)
        info = self._class(name)
        for base in info.bases if info is not None else ():
            found = self.type_of(base, self.owner(name), hops - 1)
            if found.startswith("torch.") or self.types.canonical(found) != found:
                return self.types.canonical(found)
        return self.types.canonical(name)

    def defines(self, symbolic: str, method: str, module: str, hops: int = _HOPS) -> bool:
        """Whether the class, or a base of it in this repository, defines ``method`` itself."""
        if symbolic.startswith("any:"):
            return any(self.defines(part, method, module, hops) for part in symbolic[4:].split(","))
        name = self.resolve(symbolic.removeprefix("result:"), module)
        info = self._class(name)
        if info is None or hops == 0:
            return False
        if method in info.methods:
            return True
        return any(self.defines(base, method, self.owner(name), hops - 1) for base in info.bases)

    def _class(self, name: str) -> ClassInfo | None:
        """The class of a path-based name, its file read if need be."""
        self.summary(self.owner(name))
        return self._classes.get(name)

    def method_somewhere(self, name: str) -> bool:
        """Whether any class of the repository, as far as it is known, has a method of this name."""
        return any(name in info.methods for info in self._classes.values())

    def owner(self, qualified: str) -> str:
        """The module that holds a path-based name; empty where none of this repository does."""
        name = qualified
        while name and name not in self._paths:
            name = name.rpartition(".")[0]
        return name

    # -- flow ----------------------------------------------------------------------------------

    def reaches(self, place: str | None, kind: str, module: str) -> Mark | None:
        """The use as ``kind`` ("device", "backend" or "attribute") that a value in ``place`` ends up in."""
        return self._search(place, kind, module, forward=True)

    def holds(self, place: str | None, kind: str, module: str) -> Mark | None:
        """Evidence that what ``place`` holds is a device or backend: used as one, or filled with one."""
        return self._search(place, kind, module, forward=True) or self._search(place, kind, module, forward=False)

    def feeds(self, source: str | None, target: str | None, module: str) -> bool:
        """Whether a value in ``source`` may get to ``target``."""
        if source is None or target is None:
            return False
        self._flow()
        start, end = self._canonical(source, module), self._canonical(target, module)
        seen, queue = {start}, deque([start])
        while queue and len(seen) < _STEPS:
            place = queue.popleft()
            if place == end:
                return True
            fresh = [p for p in self._edges.get(place, ()) if p not in seen]
            seen.update(fresh)
            queue.extend(fresh)
        return False

    def _search(self, place: str | None, kind: str, module: str, forward: bool) -> Mark | None:
        if place is None:
            return None
        start = self._canonical(place, module)
        key = (start, kind, forward)
        if key not in self._memo:
            self._memo[key] = self._walk(start, kind, forward)
            if self._memo[key] is None and forward and start[:2] in ("k:", "a:") and self._widen(start):
                self._memo[key] = self._walk(start, kind, forward)
        return self._memo[key]

    def _widen(self, place: str) -> bool:
        """Read files without CUDA that use an attribute or key of this name; whether there were any."""
        name = place.rpartition(".")[2] if place.startswith("a:") else place[2:]
        if name in self._channels or not name.isidentifier():
            return False
        self._channels.add(name)
        found = [module_name(path) for path in self._mentioning(name)]
        fresh = [module for module in found if module not in self._summaries]
        for module in fresh:
            self.summary(module)
        return bool(fresh)

    def _walk(self, start: str, kind: str, forward: bool) -> Mark | None:
        """The nearest mark, a certain one if there is one; of several as near the first by name, whatever was read."""
        self._flow()
        tables = (self._sinks,) if forward else (self._sources, self._sinks)
        edges = self._edges if forward else self._back
        seen, level = {start}, [start]
        weak: Mark | None = None
        while level and len(seen) < _STEPS:
            known: list[str] = []
            for places in self._by_reading(level):
                known += places
                marks = [m for p in places for table in tables for m in table.get(p, ()) if m.kind == kind]
                if certain := [mark for mark in marks if mark.certain]:
                    return min(certain, key=attrgetter("why"))
                weak = weak or min(marks, key=attrgetter("why"), default=None)
            level = list(dict.fromkeys(p for place in known for p in edges.get(place, ()) if p not in seen))
            seen.update(level)
        return weak

    def _by_reading(self, places: list[str]) -> Iterator[list[str]]:
        """Places that need no file to be read, together; then the others, each when it is asked for."""
        yield [place for place in places if place[:2] not in _ELSEWHERE]
        for place in sorted(place for place in places if place[:2] in _ELSEWHERE):
            yield [self._known(place)]

    def _known(self, place: str) -> str:
        """The place under its own file's name for it, that file read if need be."""
        if place[:2] in _ELSEWHERE:
            owner = self.owner(place[2:])
            self.summary(owner)
            if place[:2] == "p:" and place[2:].rpartition(".")[0] == owner:  # of what its package has by that name
                self.bindings(owner.rpartition(".")[0])
            self._flow()
        return self._canonical(place, "")

    def _canonical(self, place: str, module: str) -> str:
        """Places of other files under the name their own file gives them, as far as files are read."""
        kind, name = place[:2], place[2:]
        if kind in ("k:", "v:", "a:") or (module and name.startswith(module + ".") and "#" not in name):
            return place
        if kind == "p:":
            function, _, parameter = name.rpartition(".")
            function = self.resolve(function, module, load=False) if function else function
            return self._parameter(function, parameter)
        return kind + self.resolve(name, module, load=False) if name else place

    def _parameter(self, function: str, parameter: str) -> str:
        """A parameter by name, where a call gives its position; a class stands for its constructor."""
        summary = self._summaries.get(self.owner(function))
        if summary is None:
            return f"p:{function}.{parameter}"
        position = int(parameter[1:]) if parameter.startswith("#") else None
        info = summary.functions.get(function)
        offset = 1 if function.rpartition(".")[0] in summary.classes else 0
        if info is None and function in summary.classes:
            info = summary.functions.get(f"{function}.__init__")
            if info is None:
                fields = summary.classes[function].fields
                name = fields[position] if position is not None and position < len(fields) else parameter
                return f"a:{function}.{name}"
            function, offset = f"{function}.__init__", 1
        if position is not None and info is not None and position + offset < len(info.parameters):
            parameter = info.parameters[position + offset]
        return f"p:{function}.{parameter}"

    # -- sites ---------------------------------------------------------------------------------

    def declared(self, place: str | None) -> str | None:
        """The path of a file that declares the key ``place`` ("k:fp16"): as an option, or as a field of a class."""
        if self._declared is None:
            self._declared = dict(self.options())
            for module, summary in self._summaries.items():
                fields = (field for known in summary.classes.values() for field in known.fields)
                for name in (*summary.options, *fields):
                    self._declared.setdefault(name, self._paths.get(module, module))
        return self._declared.get(place[2:]) if place is not None else None

    def is_own(self, name: str) -> bool:
        """Whether a qualified name is of a package of this repository."""
        root, _, rest = name.partition(".")
        return root in self.own or f"{root}.{rest.partition('.')[0]}" in self.own

    def settle(self, site: Site, module: str) -> Site:
        """The site with its name settled by what other files say of its receiver's class, or of its key."""
        if site.kind == "config" and not site.certain and self.reaches(site.place, "device", ""):
            return msgspec.structs.replace(site, certain=True)
        if site.receiver is None:
            if site.kind == "symbol" and self.is_own(site.name):
                return msgspec.structs.replace(site, kind="own")
            return site
        method = site.name.rpartition(".")[2]
        symbolic = site.receiver.type
        if symbolic is None:
            return site
        settled = self.type_of(symbolic, module)
        if self.is_own(settled) or (not symbolic.startswith("torch.") and self.defines(symbolic, method, module)):
            return msgspec.structs.replace(site, kind="own")
        certain = site.certain
        if settled.startswith(("result:", "item:", "any:")) and site.receiver.beside is not None:
            settled, certain = site.receiver.beside, False
        if settled.startswith(SYMBOLIC):
            return msgspec.structs.replace(site, kind="method", name=f".{method}")
        return msgspec.structs.replace(
            site,
            kind="symbol",
            name=f"{settled}.{method}",
            certain=certain,
            receiver=msgspec.structs.replace(site.receiver, type=settled),
        )
