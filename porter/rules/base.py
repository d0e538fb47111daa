"""What a rule is: a code, a name, a page (its module's docstring) and a function that judges sites.

A rule file ends up looking like this::

    \"\"\"`torch.cuda.empty_cache()` and its kin ask one vendor's allocator. ...\"\"\"

    from porter.rules.base import Context, Judgement, rule
    from porter.rules.table import judge_by_row

    @rule("PRT202", "cuda-memory-call")
    def check(site: Site, row: Row, ctx: Context) -> Judgement | Dismissed:
        return judge_by_row(site, row, ctx)

Which sites reach a rule is data: the catalogue row that matches a site names its rule.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import msgspec

from porter.index.nesting import Nesting
from porter.index.outline import Outline
from porter.model import Effort, Evidence, Verdict

if TYPE_CHECKING:
    from porter.catalog import Catalogue
    from porter.catalog.schema import Answer, Row
    from porter.index.project import Project
    from porter.index.site import Site
    from porter.sources.source import Source
    from porter.targets.base import Target


Of = ParamSpec("Of")
Found = TypeVar("Found")


class TextEdit(msgspec.Struct, frozen=True, order=True):
    """An edit in offsets of ``Source.text``; the engine translates it into the file's bytes.

    ``text`` may hold names that are `named`.
    """

    start: int
    end: int
    text: str


Edits = tuple[TextEdit, ...]


def named(qualified: str) -> str:
    """A qualified name in the text of an edit, for `porter.rewrite.needs` to spell as the file does.

    ``named("torch_xla.sync") + "()"`` becomes ``torch_xla.sync()``, ``xla.sync()`` where the file says
    ``import torch_xla as xla``, and brings the import where there is none.
    """
    return f"\ue000{qualified}\ue001"


def needing(module: str) -> str:
    """Nothing to read in the text of an edit, but that the file must import ``module``."""
    return f"\ue000!{module}\ue001" if module else ""


class Judgement(msgspec.Struct, frozen=True):
    """What a rule says of a site. The engine adds place, code and fingerprint, and makes a `Finding` of it."""

    site: Site
    row: Row | None
    verdict: Verdict
    message: str  # lower case, no full stop, the construct in backticks
    advice: str = ""
    effort: Effort = Effort.NONE
    evidence: Evidence | None = None
    edits: tuple[TextEdit, ...] = ()  # non-empty, or ``rename`` set, if verdict is auto or review
    rename: str | None = None  # new qualified name of the symbol; `porter.rewrite.names` writes it, imports included
    group: str | None = None  # judgements of one group are edited together or not at all
    rule: str = ""  # set by the engine

    @property
    def edited(self) -> bool:
        """Whether the judgement comes with a change of the text."""
        return bool(self.edits) or self.rename is not None


class Dismissed(msgspec.Struct, frozen=True):
    """A site that mentions CUDA and needs no work, with the reason (a key of `REASONS`)."""

    site: Site
    reason: str
    group: str | None = None  # of what is silenced: the group that it would have changed with


REASONS = {
    "text": "text for people: a message, a label, a help text",
    "user-name": "a name of this program: attribute, method, key or file that only contains the word",
    "own": "defined by this program itself",
    "package": "a package that needs no CUDA, as far as porter knows",
    "handled": "a table or branch that has an entry for Neuron already",
    "default-object": "looked up by a name that is chosen at run time, with CUDA as the default",
    "checkpoint-data": "data of a file that really holds the word",
    "foreign-source": "source code of another language in a string, reported where it is compiled",
    "agnostic": "works on any device",
    "suppressed": "silenced by a comment or by the settings",
    "part": "part of a construct that is reported as a whole",
}


class Borrowing(msgspec.Struct, frozen=True):
    """What a file may import from the helper that `porter rewrite --helper` writes: see `porter.rewrite.helper`."""

    module: str
    names: frozenset[str]


class Context(msgspec.Struct):
    """What a rule may ask about the file and the repository around a site."""

    source: Source
    target: Target
    catalogue: Catalogue
    project: Project
    module: str  # the file's dotted name, for questions to `project`
    sites: tuple[Site, ...]  # all sites of the file, settled
    edits: bool = True  # whether porter rewrites for this target; if not, auto and review come without edits
    in_test: Callable[[], bool] = lambda: False  # whether the file is a test, by the settings
    min_torch: str = "2.6"  # the oldest PyTorch that the result is to run with
    borrowing: Borrowing | None = None
    _outline: Outline | None = None
    _nesting: Nesting[Site] | None = None
    _found: dict[tuple[Any, ...], Any] = {}

    def once(self, find: Callable[Concatenate[Context, Of], Found], *of: Of.args, **named: Of.kwargs) -> Found:
        """What ``find`` finds in this file, or ``of`` a part of it: looked for once, however many sites ask."""
        key = (find, *of, *named.items())
        if key not in self._found:
            self._found[key] = find(self, *of, **named)
        return self._found[key]  # type: ignore[no-any-return]

    def outline(self) -> Outline:
        """The file's outline: parsed when first asked for, which is for few files."""
        if self._outline is None:
            self._outline = Outline(self.source.text)
        return self._outline

    @property
    def nesting(self) -> Nesting[Site]:
        """Which sites stand inside which."""
        if self._nesting is None:
            self._nesting = Nesting(self.sites)
        return self._nesting

    def text(self, start: int, end: int) -> str:
        """The source between two offsets."""
        return self.source.text[start:end].decode(errors="replace")  # where a window cuts a character in two

    def edit(self, start: int, end: int, text: str) -> Edits:
        """One edit, as the tuple that a `Judgement` takes."""
        return (TextEdit(start, end, text),)

    def where(self, attribute: str, value: object) -> list[Site]:
        """The sites that have a value for an attribute of `Site`, in order: grouped once, however many ask."""
        return self.once(_grouped, attribute).get(value, [])

    def says(self, pattern: re.Pattern[bytes]) -> bool:
        """Whether the file has a match of a pattern: searched for once, however many ask."""
        return self.once(_says, pattern)

    def inside(self, start: int, end: int) -> list[Site]:
        """The sites that run only if the condition at ``start:end`` holds (or fails)."""
        return [s for s in self.sites if any(g.start <= start and end <= g.end for g in s.guards)]

    def bound(self, place: str | None) -> list[Site]:
        """The sites whose receiver lives in ``place``: what is done with an object."""
        return self.once(_bound).get(place, []) if place is not None else []

    def answer(self, row: Row) -> Answer:
        """The row's answer for the chosen target."""
        return getattr(row, self.target.name)  # type: ignore[no-any-return]


def _grouped(ctx: Context, attribute: str) -> dict[object, list[Site]]:
    found: dict[object, list[Site]] = {}
    for site in ctx.sites:
        found.setdefault(getattr(site, attribute), []).append(site)
    return found


def _says(ctx: Context, pattern: re.Pattern[bytes]) -> bool:
    return pattern.search(ctx.source.text) is not None


def _bound(ctx: Context) -> dict[str | None, list[Site]]:
    found: dict[str | None, list[Site]] = {}
    for site in ctx.sites:
        if site.receiver is not None:
            found.setdefault(site.receiver.place, []).append(site)
    return found


Check = Callable[["Site", "Row", "Context"], "Judgement | Dismissed"]  # the function of a rule


class Rule(msgspec.Struct, frozen=True):
    """A registered rule."""

    code: str  # PRT and three digits, stable for ever
    name: str  # what it allows: hardcoded-cuda-device
    check: Check
    module: str
    default: bool = True  # False: only on request (--extend-select)

    @property
    def family(self) -> str:
        """First digit of the code: see `FAMILIES`."""
        return self.code[3]


FAMILIES = {
    "0": "files and configuration",
    "1": "device placement",
    "2": "CUDA runtime, memory, streams and graphs",
    "3": "random numbers, precision, dtypes",
    "4": "data loading and checkpoints",
    "5": "distributed and launch",
    "6": "compile, kernels, extensions",
    "7": "packages and frameworks",
    "8": "environment, configuration, build and containers",
    "9": "runs on Neuron, but hurts",
}

_registry: dict[str, Rule] = {}


def rule(code: str, name: str, *, default: bool = True) -> Callable[[Check], Check]:
    """Register the decorated function as the rule ``name``. Raises ValueError on a duplicate code or name."""

    def register(check: Check) -> Check:
        if name in _registry or any(r.code == code for r in _registry.values()):
            raise ValueError(f"rule {code} {name} is registered twice")
        _registry[name] = Rule(code, name, check, check.__module__, default)
        return check

    return register
