"""Renames: what a judgement's ``rename`` means for the text, import statements and aliases included.

A use that is spelled from its root (``torch.cuda.synchronize``) is edited where it stands. A use through an alias
(``from torch import cuda``) moves with the alias if all of its uses can move; then import and uses form a group.
Else it is spelled in full, if the file imports torch; else it needs a person.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from porter.index.site import Site
from porter.model import Effort, Verdict
from porter.rewrite.aliases import Alias, Chain, Move, Stays, Use, decide, in_full
from porter.rewrite.blocks import refill
from porter.rewrite.imports import Imported, Names, rewrite_import
from porter.rewrite.spelling import chain, respell
from porter.rules.base import Dismissed, Judgement, TextEdit
from porter.sources.source import Source

Answer = Judgement | Dismissed

_EDITED = (Verdict.AUTO, Verdict.REVIEW)
_HINDERING = (Verdict.MANUAL, Verdict.BLOCKED, Verdict.UNKNOWN)


def settle(source: Source, judgements: Sequence[Judgement], dismissed: Iterable[Dismissed] = ()) -> list[Judgement]:
    """Give every judgement with a ``rename`` its edits, or make it `manual` with the reason.

    ``judgements`` and ``dismissed`` are all answers for one file: a use that stays is what holds an import back.
    What is to be left alone, a suppressed finding for one, must not be among the judgements. Also settles groups:
    one member that cannot be edited makes the others manual. Edits that several judgements share are equal, so that
    `porter.rewrite.apply` makes them once. No block is left empty. The result has the order of ``judgements``.
    """
    if not any(j.rename or j.group or (j.edits and _may_free(j.site)) for j in judgements):
        return refill(source, judgements)
    plan = _Plan(source, [*judgements, *dismissed])
    while plan.hinders_more():
        pass
    return refill(source, plan.settled())


def _may_free(site: Site) -> bool:
    """Whether an import may have no use left once the site is edited."""
    return site.alias is not None or (site.kind == "symbol" and not site.name.startswith("torch."))


class _Plan:
    """The decisions for one file. Judgements are known by their place in ``answers``."""

    def __init__(self, source: Source, answers: Sequence[Answer]):
        self.answers = answers
        self.text = source.text
        self.parts = [chain(source.text, answer.site) for answer in answers]
        self.stuck: dict[int, str] = {}  # why a judgement that wants to edit cannot
        self.frozen: set[int] = set()  # starts of import statements and of assigned values that cannot be rewritten
        self.uses: dict[int, list[int]] = defaultdict(list)  # by offset of the alias
        self.definitions: dict[int, int] = {}  # likewise
        for i, answer in enumerate(answers):
            site = answer.site
            if site.kind == "symbol" and site.receiver is None:
                self.definitions.setdefault(site.start, i)
                if site.role == "import":
                    self.uses[site.start]  # an import is an alias even if nothing uses it
                elif site.alias is not None:
                    self.uses[site.alias].append(i)
        for offset in [offset for offset in self.uses if not self._concerns(offset)]:
            del self.uses[offset]
        packages = {i: root for i, answer in enumerate(answers) if (root := self._package(answer, i)) is not None}
        foreign = any(_verdict(answers[i]) in _EDITED for i in packages)
        self.names = _names(source) if self.uses or foreign else None
        self.imported = self.names.imports if self.names else {}
        self.modules = {  # imports of whole packages, by offset: what is named through them
            offset: [i for i, root in packages.items() if root == imported.local]
            for offset, imported in (self.imported.items() if foreign else ())
            if imported.statement.module is None and imported.local in packages.values()
        }
        sites = {self.parts[i][0] for uses in self.uses.values() for i in uses if self.parts[i]}
        self.seen = Counter(part.name for part in sites)

    def _concerns(self, offset: int) -> bool:
        """Whether anything is edited that the alias at ``offset`` defines or names; if not, it need not be read."""
        places = [*self.uses[offset], self.definitions.get(offset)]
        return any(i is not None and _verdict(self.answers[i]) in _EDITED for i in places)

    def _package(self, answer: Answer, i: int) -> str | None:
        """The name of a package, other than torch, that a use goes through."""
        site, parts = answer.site, self.parts[i]
        named = site.kind == "symbol" and site.receiver is None and site.alias is None and site.role != "import"
        return parts[0].name if named and parts and not site.name.startswith("torch.") else None

    # -- decisions -----------------------------------------------------------------------------

    def hinders_more(self) -> bool:
        """Decide everything anew; whether that showed more that cannot be edited, so that other decisions change."""
        known = len(self.stuck), len(self.frozen)
        edited = (a for i, a in enumerate(self.answers) if _verdict(a) in _EDITED and i not in self.stuck)
        self.replaced = [e for a in edited if isinstance(a, Judgement) for e in a.edits if e.end > e.start]
        self.moves: dict[int, Move] = {}
        self.reasons: dict[int, str] = {}  # why an alias stays
        self.targets: dict[int, str | None] = {}  # definitions ``cuda = torch.cuda``: the new value, None: stays
        for offset in sorted(self.uses, reverse=True):  # an alias of an alias decides first
            try:
                self.moves[offset] = self._decide(offset)
            except Stays as reason:
                self.reasons[offset] = str(reason)
            if offset not in self.imported and offset in self.definitions:
                self.targets[self.definitions[offset]] = self.moves[offset].target if offset in self.moves else None
        self.moves.update((offset, Move(None, {})) for offset in self.modules if self._goes(offset))
        self._drop_second_imports()
        self._rewrite_imports()
        values = [place for place, target in self.targets.items() if target is not None]
        self.frozen.update(self.answers[place].site.start for place in values if self._edits(place) is None)
        for i in range(len(self.answers)):
            if self._wants(i) and self._edits(i) is None:
                self.stuck[i] = self._hindrance(i)
        self._settle_groups()
        return known != (len(self.stuck), len(self.frozen))

    def _decide(self, offset: int) -> Move:
        if self.names is None:
            raise Stays("this Python cannot read the file's imports")
        place = self.definitions.get(offset)
        own = self._rename(place) if place is not None else None
        imported = self.imported.get(offset)
        if imported is not None and imported.binds_root:
            return self._decide_root(imported, own)
        if imported is not None:
            if imported.statement.start in self.frozen:
                raise Stays("its import statement cannot be split")
            alias = Alias(imported.qualified, imported.local, imported.renamed, droppable=True)
        elif offset in self.frozen:
            raise Stays("its value cannot be spelled anew")
        elif place is not None and (parts := self.parts[self.uses[offset][0]]):
            alias = Alias(self.answers[place].site.name, parts[0].name, keeps_name=True, droppable=False)
        else:
            raise Stays("porter does not see what it is bound to")
        if self.names.loads[alias.local] > self.seen[alias.local]:
            raise Stays(f"`{alias.local}` is also used where porter does not follow it")
        return decide(alias, [self._use(i) for i in self.uses[offset]], own, self.names)

    def _decide_root(self, imported: Imported, own: str | None) -> Move:
        """``import torch.cuda`` becomes ``import torch`` once nothing in the file needs the submodule."""
        if own is None:
            raise Stays("nothing asks for another")
        for i, answer in enumerate(self.answers):
            site = answer.site
            below = site.name == imported.qualified or site.name.startswith(imported.qualified + ".")
            if below and site.role != "import" and site.alias is None and not self._leaves(i):
                raise Stays(f"line {site.line} needs `{site.name}`")
        twice = any(other.qualified == imported.local == other.local for other in self.imported.values())
        return Move(None if twice else imported.local, {})

    def _drop_second_imports(self) -> None:
        """Of imports that come to bring one thing by one name, at the top or in one statement, the first stays."""
        brought = set()
        for offset, imported in self.imported.items():
            move, start = self.moves.get(offset), imported.statement.start
            if move is None or move.target is None:
                continue
            at_top = self.text[start - 1 : start] in (b"", b"\n")
            bringing = (move.target, imported.local if imported.renamed else "", 0 if at_top else start)
            if bringing in brought:
                self.moves[offset] = Move(None, move.spelled)
            brought.add(bringing)

    def _goes(self, offset: int) -> bool:
        """Whether nothing needs the package that is imported here any more."""
        assert self.names is not None
        (homes, reads), imported = self.names.scopes, self.imported[offset]
        uses = [i for i in self.modules[offset] if homes.get(self.parts[i][0].start) == homes[offset]]
        seen = len({self.parts[i][0] for i in uses})
        return imported.statement.start not in self.frozen and (
            0 < seen == reads[homes[offset], imported.local] and all(map(self._leaves, uses))
        )

    def _use(self, i: int) -> Use:
        site = self.answers[i].site
        spelled = tuple(part.name for part in self.parts[i])
        return Use(i, site.line, site.name, spelled, self._rename(i), self._leaves(i), site.editable and site.certain)

    def _wants(self, i: int) -> bool:
        """Whether judgement ``i`` asks for a rename, as far as it has not failed."""
        answer = self.answers[i]
        return (
            isinstance(answer, Judgement) and answer.verdict in _EDITED and bool(answer.rename) and i not in self.stuck
        )

    def _rename(self, i: int) -> str | None:
        """The new qualified name for judgement ``i``."""
        answer = self.answers[i]
        if i in self.targets:
            return self.targets[i]
        return answer.rename if isinstance(answer, Judgement) and self._wants(i) else None

    def _leaves(self, i: int) -> bool:
        """Whether use ``i`` does without its old name: it is renamed, or lies within something that is replaced."""
        if self._rename(i) is not None:
            return True
        site = self.answers[i].site
        return any(e.start <= site.start and site.end <= e.end for e in self.replaced)

    def _rewrite_imports(self) -> None:
        """Edits of import statements, by their start. A statement that cannot be rewritten is frozen."""
        wanted: dict[int, dict[int, str | None]] = defaultdict(dict)
        statements = {}
        for offset, move in self.moves.items():
            imported = self.imported.get(offset)
            if imported is not None and move.target != imported.qualified:
                wanted[imported.statement.start][imported.index] = move.target
                statements[imported.statement.start] = imported.statement
        self.statements = {s: rewrite_import(self.text, statements[s], moves) for s, moves in wanted.items()}
        self.frozen.update(start for start, edits in self.statements.items() if edits is None)

    def _settle_groups(self) -> None:
        groups: dict[str, list[int]] = defaultdict(list)
        for i, answer in enumerate(self.answers):
            if isinstance(answer, Judgement) and answer.group:
                groups[answer.group].append(i)
        for places in groups.values():
            hindering = [i for i in places if i in self.stuck or _verdict(self.answers[i]) in _HINDERING]
            for i in places if hindering else ():
                if _verdict(self.answers[i]) in _EDITED:
                    line = self.answers[hindering[0]].site.line
                    self.stuck.setdefault(i, f"it changes together with line {line}, which porter does not change")

    def _hindrance(self, i: int) -> str:
        """Why the rename of judgement ``i`` cannot be written."""
        site = self.answers[i].site
        reason = self.reasons.get(site.start if site.role == "import" else site.alias if site.alias is not None else -1)
        if reason is None:
            return f"`{self._rename(i)}` cannot be spelled here"
        if site.role == "import":
            return f"the import has to stay: {reason}"
        return f"the name it is imported by has to stay: {reason}"

    # -- edits ---------------------------------------------------------------------------------

    def _edits(self, i: int) -> tuple[TextEdit, ...] | None:
        """The edits that rename judgement ``i``; None where that is not possible."""
        site, parts, rename = self.answers[i].site, self.parts[i], self._rename(i)
        if site.role == "import":
            return () if site.start in self.moves else None
        if rename is None or not site.editable:
            return None
        if site.receiver is not None or site.kind == "method":
            old, new = site.name.rpartition(".")[2].encode(), rename.rpartition(".")[2]
            is_named = self.text.endswith(old, site.start, site.end)
            return (TextEdit(site.end - len(old), site.end, new),) if is_named else None
        move = self.moves.get(site.alias) if site.alias is not None else None
        if move is not None and i in move.spelled:
            return respell(parts, move.spelled[i])
        new_chain = self._from_root(i, rename)
        return respell(parts, new_chain) if parts and new_chain else None

    def _from_root(self, i: int, rename: str) -> Chain | None:
        """``rename`` as it is spelled at a use that does not go through a moved alias."""
        site, spelled = self.answers[i].site, [part.name for part in self.parts[i]]
        names = site.name.split(".")
        depth = len(names) - len(spelled) + 1  # names that the first part stands for
        root = ".".join(names[:depth]) + "."
        stays = site.alias is None or (site.certain and site.alias not in self.moves)
        if stays and depth > 0 and names[depth:] == spelled[1:] and rename.startswith(root):
            return (spelled[0], *rename[len(root) :].split("."))
        return in_full(rename, self.names) if site.certain else None

    def settled(self) -> list[Judgement]:
        """All judgements, with their edits. What shares an import or alias becomes one group."""
        places = range(len(self.answers))
        linked = [self._linked(i) for i in places]
        labels = _merged([self._labels(i, linked[i]) for i in places])
        reviewed = {labels[i] for i in places if _verdict(self.answers[i]) is Verdict.REVIEW and i not in self.stuck}
        return [
            self._settled(i, answer, linked[i], labels[i], labels[i] in reviewed)
            for i, answer in enumerate(self.answers)
            if isinstance(answer, Judgement)
        ]

    def _settled(
        self, i: int, answer: Judgement, linked: Sequence[int], label: str | None, reviewed: bool
    ) -> Judgement:
        if i in self.stuck:
            advice = f"{answer.advice} porter leaves it: {self.stuck[i]}.".lstrip()
            changes = {"verdict": Verdict.MANUAL, "edits": (), "rename": None, "group": None, "effort": Effort.MINUTES}
            return replace(answer, advice=advice, **changes)
        own = self._edits(i) if self._rename(i) is not None else None
        shared = [edit for offset in linked for edit in self._alias_edits(offset)]
        edits = tuple(dict.fromkeys([*answer.edits, *(own or ()), *shared]))
        if answer.site.start in linked:  # an import or alias is changed as its uses are
            return replace(answer, verdict=Verdict.REVIEW if reviewed else Verdict.AUTO, edits=edits, group=label)
        return replace(answer, edits=edits, group=label)

    def _linked(self, i: int) -> list[int]:
        """Offsets of the moving aliases that judgement ``i`` defines or uses."""
        site = self.answers[i].site
        if site.kind != "symbol" or site.receiver is not None:
            return []
        offsets = {site.start} if self.definitions.get(site.start) == i else set()
        if site.alias is not None:
            offsets.add(site.alias)
        offsets.update(offset for offset, uses in self.modules.items() if i in uses)
        return sorted(offset for offset in offsets if offset in self.moves and self._alias_edits(offset))

    def _alias_edits(self, offset: int) -> tuple[TextEdit, ...]:
        """The edits of a moving alias's definition."""
        imported = self.imported.get(offset)
        if imported is not None:
            return self.statements.get(imported.statement.start) or ()
        return self._edits(self.definitions[offset]) or ()

    def _labels(self, i: int, linked: Sequence[int]) -> set[str]:
        """The groups that judgement ``i`` is in: its own, and one for each definition it changes with."""
        labels = set()
        for offset in linked:
            imported = self.imported.get(offset)
            labels.add(f"~{imported.statement.start if imported else offset}")
        answer = self.answers[i]
        if isinstance(answer, Judgement) and answer.group:
            labels.add(answer.group)
        return labels


def _merged(labels: Sequence[set[str]]) -> list[str | None]:
    """One label for all that share one, directly or through others: the first in order, so a rule's own."""
    leader: dict[str, str] = {}

    def find(label: str) -> str:
        while leader.setdefault(label, label) != label:
            label = leader[label]
        return label

    for group in labels:
        found = sorted(map(find, group))
        leader.update((label, found[0]) for label in found)
    return [find(min(group)) if group else None for group in labels]


def _names(source: Source) -> Names | None:
    try:
        return Names(source)
    except (SyntaxError, ValueError, RecursionError):
        return None


def _verdict(answer: Answer) -> Verdict | None:
    return answer.verdict if isinstance(answer, Judgement) else None
