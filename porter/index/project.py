"""What only the whole repository can tell: which class a name elsewhere is, and what a site is of."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property

import msgspec

from porter.catalog.types import SYMBOLIC, Types
from porter.index.facts import Depth
from porter.index.flows import Flows
from porter.index.modules import HOPS
from porter.index.noted import Noted
from porter.index.site import Site
from porter.index.summary import ClassInfo, Summary

_LAST = re.compile(r"[.(]")  # in front of the last part of a site's name: the parameter of an argument
_MOVED = frozenset({"torch.Tensor", "torch.nn.Module"})  # of several bases, the one that has a device counts


class Project(Flows):
    """The summaries of a repository's files, merged. Files without CUDA are loaded when something asks for them."""

    def __init__(
        self,
        summaries: Iterable[Summary],
        paths: Iterable[str],
        types: Types,
        load: Callable[[str, Depth], Summary | None],
        mentioning: Callable[[str, bool], list[str]],
        sites: Callable[[str], tuple[Site, ...]],
        files: Iterable[str] = (),
    ) -> None:
        """Merge ``summaries``.

        ``sites`` are those of a module, as they stand there; ``files`` the paths of all files, Python or not.
        `Modules` and `Flows` say what the others are.
        """
        super().__init__(paths, load, mentioning)
        self.files: dict[str, list[str]] = {}  # names by folder
        for path in files:
            folder, _, name = path.rpartition("/")
            self.files.setdefault(folder, []).append(name)
        self.contents: Callable[[str], bytes] = lambda _: b""  # of any file of the run, by its path
        self.sites = sites
        self.needed: dict[str, str | None] = {}  # by module: the package for CUDA without which it cannot be imported
        self.types = types
        self.options: Callable[[], Mapping[str, str]] = dict  # of files that were not analysed, with the file of each
        self._declared: dict[str, str] | None = None  # options and fields, likewise
        self._standing: dict[tuple[str, ...], list[tuple[str, Site]]] = {}
        self._merge(list(summaries))

    def _merge(self, summaries: list[Summary]) -> None:
        super()._merge(summaries)
        self._declared = None

    def update(self, summary: Summary) -> None:
        """Take a new version of one file into account, in a fraction of the time that all files take.

        What the old one said of the flow of values stays, which errs on the side of evidence; its sites stay, too.
        """
        self._merge([summary])
        self._memo.clear()
        self._resolved.clear()
        self._resolved_so_far.clear()

    @cached_property
    def noted(self) -> Noted:
        """What the sites of all files say together."""
        return Noted(((self._paths.get(module, module), self.sites(module)) for module in self._summaries), self.is_own)

    def standing(self, names: tuple[str, ...]) -> list[tuple[str, Site]]:
        """Where arguments and classes with these last names stand: path of the file, and the site."""
        if names not in self._standing:
            paths = ((self._paths.get(module, module), self.sites(module)) for module in self._summaries)
            found = ((path, site) for path, sites in paths for site in sites)
            self._standing[names] = [(p, s) for p, s in found if _LAST.split(s.name.rstrip(")"))[-1] in names]
        return self._standing[names]

    def type_of(self, symbolic: str, module: str, hops: int = HOPS) -> str:
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
            made, _, method = name.rpartition(".")
            inherited = (
                self.types.method(self.type_of(made, module, hops - 1), method) if made in self._classes else None
            )
            return self.types.returns(name) or inherited or symbolic
        canonical = self.types.canonical(symbolic)
        if canonical.startswith("torch."):
            return canonical
        name = self.resolve(symbolic, module)
        info = self._class(name)
        first = ""
        for base in info.bases if info is not None else ():
            found = self.type_of(base, self.owner(name), hops - 1)
            known = self.types.canonical(found)
            if known in _MOVED:
                return known
            if not first and (found.startswith("torch.") or known != found):
                first = known
        return first or self.types.canonical(name)

    def defines(self, symbolic: str, method: str, module: str, hops: int = HOPS) -> bool:
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

    def _inherits(self, name: str, hops: int = HOPS) -> bool:
        """Whether a class of the repository has a base from elsewhere, whose methods porter does not see."""
        info = self._class(name)
        for written in info.bases if info is not None and hops else ():
            base = self.resolve(written, self.owner(name))
            root, _, rest = base.partition(".")
            foreign = rest and not self.owner(base) and root not in sys.stdlib_module_names
            if foreign or self._inherits(base, hops - 1):
                return True
        return False

    def _class(self, name: str) -> ClassInfo | None:
        """The class of a path-based name, its file read if need be."""
        self.summary(self.owner(name))
        return self._classes.get(name)

    def method_somewhere(self, name: str) -> bool:
        """Whether any class of the repository, as far as it is known, has a method of this name."""
        return any(name in info.methods for info in self._classes.values())

    def moves_otherwise(self) -> str | None:
        """A class of the repository, as far as it is known, that has a ``cuda`` and no ``to``: modules have both."""
        own = (name for name, info in self._classes.items() if "cuda" in info.methods and "to" not in info.methods)
        return next((name for name in own if self.type_of(name, self.owner(name)) != "torch.nn.Module"), None)

    def declared(self, place: str | None) -> str | None:
        """The path of a file that declares the key ``place`` ("k:fp16"): as an option, or as a field of a class."""
        if self._declared is None:
            self._declared = dict(self.options())
            for module, summary in self._summaries.items():
                fields = (field for known in summary.classes.values() for field in known.fields)
                for name in (*summary.options, *fields):
                    self._declared.setdefault(name, self._paths.get(module, module))
        return self._declared.get(place[2:]) if place is not None else None

    def settle(self, site: Site, module: str) -> Site:
        """The site with its name settled by what other files say of its receiver's class, or of its key."""
        if site.kind == "config" and not site.certain and self.reaches(site.place, "device", ""):
            return msgspec.structs.replace(site, certain=True)
        if site.receiver is None:
            if site.kind == "symbol" and self.is_own(site.name, module):
                return msgspec.structs.replace(site, kind="own")
            return site
        method = site.name.rpartition(".")[2]
        symbolic = site.receiver.type
        if symbolic is None:
            return site
        settled = self.type_of(symbolic, module)
        heir = method == "cuda" and self._inherits(settled)
        defined = not symbolic.startswith("torch.") and self.defines(symbolic, method, module)
        if defined or (self.is_own(settled) and not heir):
            return msgspec.structs.replace(site, kind="own")
        certain = site.certain
        if settled.startswith(("result:", "item:", "any:")) and site.receiver.beside is not None:
            settled, certain = site.receiver.beside, False
        package = "." in settled and not settled.startswith("torch.") and (heir or not self.owner(settled))
        unknown = package and method == "cuda" and self.types.method(settled, method) is None
        if unknown or settled.startswith(SYMBOLIC):  # what a package's class is that moves to a GPU, nothing here says
            return msgspec.structs.replace(site, kind="method", name=f".{method}")
        return msgspec.structs.replace(
            site,
            kind="symbol",
            name=f"{settled}.{method}",
            certain=certain,
            receiver=msgspec.structs.replace(site.receiver, type=settled),
        )
