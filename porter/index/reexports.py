"""Names of the repository that stand for CUDA's.

With ``from torch.cuda.amp import autocast`` in ``pkg/compat.py``, the name ``pkg.compat.autocast`` stands for
``torch.cuda.amp.autocast`` in every file that imports it from there, also through further files.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from porter.index.project import Project
from porter.index.summary import Summary
from porter.index.watch import Watch

_HOPS = 4  # files between a use and the one that imports from PyTorch


class Origin(NamedTuple):
    """What a name stands for, and the module that imports it from where it is defined."""

    symbol: str
    module: str


class Reexports:
    """What the modules of a repository pass on. ``of`` grows as summaries are added."""

    def __init__(self, project: Project, watch: Watch) -> None:
        self._project = project
        self._watch = watch
        self._summaries: list[Summary] = []
        self._exported: dict[str, dict[str, Origin]] = {}  # by module and name
        self.of: dict[str, dict[str, Origin]] = {}  # by the module that borrows, and the name as it is spelled there

    def add(self, summaries: Iterable[Summary]) -> None:
        """Take more files into account."""
        for summary in summaries:
            self._summaries.append(summary)
            for name, target in summary.exports.items():
                if target in self._watch.symbols:
                    self._exported.setdefault(summary.module, {})[name] = Origin(target, summary.module)
        for _ in range(_HOPS):
            if not (self._exported and self._spread()):
                break

    def names(self) -> set[tuple[str, str]]:
        """Each module that passes a name on, and that name."""
        return {(module, name) for module, names in self._exported.items() for name in names}

    def _spread(self) -> bool:
        """Follow every import one step; whether that showed something new."""
        names = {name for _, name in self.names()}
        stems = {module.rpartition(".")[2] for module in self._exported}
        news = False
        for summary in self._summaries:
            borrowed = self.of.get(summary.module, {})
            for local, target in summary.exports.items():
                owner, _, name = target.rpartition(".")
                if target in borrowed or not owner:
                    continue
                if name in names and (origin := self._passed_on(owner, summary.module).get(name)):
                    self._exported.setdefault(summary.module, {})[local] = origin
                    self.of.setdefault(summary.module, {})[target] = origin
                    news = True
                elif name in stems:
                    for inner, origin in self._passed_on(target, summary.module).items():
                        if "." in origin.symbol:  # a whole package is no use of it
                            self.of.setdefault(summary.module, {})[f"{target}.{inner}"] = origin
        return news

    def _passed_on(self, name: str, module: str) -> dict[str, Origin]:
        """The names that the module called ``name`` in ``module`` passes on."""
        found = self._project.resolve(name, module, load=False)
        return self._exported.get(found, {}) if found != module else {}
