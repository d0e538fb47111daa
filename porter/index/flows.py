"""Where values flow in a repository: from place to place, to what uses them and from what fills them."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from sys import intern

from msgspec.structs import replace

from porter.index.build import module_name
from porter.index.facts import Depth, flow_of
from porter.index.modules import Modules
from porter.index.summary import Mark, Summary

_ELSEWHERE = ("p:", "r:", "g:")  # places that a file may define which is not read yet
_STEPS = 400  # places followed per question: a value that travels further is not followed by readers either


class Flows(Modules):
    """Follows values through what all files say of them. (`porter.index.summary` lists the forms of a place.)"""

    def __init__(
        self,
        paths: Iterable[str],
        load: Callable[[str, Depth], Summary | None],
        mentioning: Callable[[str, bool], list[str]],
    ) -> None:
        """``mentioning`` lists the files not analysed that hold a word, or call it, and may put it on a device."""
        super().__init__(paths, load)
        self._mentioning = mentioning
        self._channels: set[tuple[str, bool]] = set()  # names that files which were not analysed have been searched for
        self._waiting: list[Summary] = []  # whose flow of values nobody has asked for yet
        self._edges: dict[str, list[str]] = {}
        self._back: dict[str, list[str]] = {}
        self._methods: dict[str, list[str]] | None = None  # of all classes, by their own names, once asked for
        self._spread: list[str] = []  # parameters that dictionaries fill, of functions not known yet
        self._sinks: dict[str, list[Mark]] = {}
        self._sources: dict[str, list[Mark]] = {}
        self._memo: dict[tuple[str, str, bool], Mark | None] = {}

    def _merge(self, summaries: list[Summary]) -> None:
        super()._merge(summaries)
        self._waiting += summaries
        self._methods = None

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
        if place.startswith("p:?."):
            return self._of_each(place, kind)
        start = self._canonical(place, module)
        key = (start, kind, forward)
        if key not in self._memo:
            self._memo[key] = self._walk(start, kind, forward)
            if self._memo[key] is None and forward and start[:2] in ("k:", "a:", "r:") and self._widen(start):
                self._memo[key] = self._walk(start, kind, forward)
        found = self._memo[key]
        if kind == "device" and found is not None and not found.certain and found.place == start:
            return None if self._search(place, "platform", module, forward) is not None else found
        return found

    def _of_each(self, place: str, kind: str) -> Mark | None:
        """The use that a value ends up in which every method of one name takes there, as far as files are known."""
        method, _, position = place.removeprefix("p:?.").rpartition(".")
        self._widen(f"k:{method}")
        if self._methods is None:
            self._methods = defaultdict(list)
            for summary in self._summaries.values():
                for name in summary.functions:
                    owner, _, last = name.rpartition(".")
                    if owner in summary.classes:
                        self._methods[last].append(name)
        marks = [self._search(f"p:{name}.{position}", kind, "", forward=True) for name in self._methods.get(method, ())]
        return replace(marks[0], certain=False) if marks and marks[0] is not None and all(marks) else None

    def _widen(self, place: str) -> bool:
        """Read files without CUDA that use an attribute or key of this name, or call it; whether there were any."""
        name, called = place[2:] if place.startswith("k:") else place.rpartition(".")[2], place.startswith("r:")
        if (name, called) in self._channels or not name.isidentifier():
            return False
        self._channels.add((name, called))
        found = [module_name(path) for path in self._mentioning(name, called)]
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
        functions = summary.functions if summary is not None else {}
        named = [function]
        if function.endswith("*"):  # `getattr(module, "init_" + kind)`: whichever the module has by such a name
            named = [
                name for name in functions if name.startswith(function[:-1]) and name.count(".") == function.count(".")
            ]
        infos = {name: functions[name] for name in named if name in functions}
        for name, info in infos.items():
            for parameter in (*info.parameters, *info.keywords):
                self._edge(f"k:{parameter}", f"p:{name}.{parameter}")
        return bool(infos)

    def _canonical(self, place: str, module: str) -> str:
        """Places of other files under the name their own file gives them, as far as files are read."""
        kind, name = place[:2], place[2:]
        if kind in ("k:", "v:") or (module and name.startswith(module + ".") and "#" not in name):
            return place
        if kind == "a:":
            owner, _, attribute = name.rpartition(".")
            return f"a:{self.resolve(owner, module, load=False)}.{attribute}"
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
