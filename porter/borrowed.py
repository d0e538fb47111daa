"""Uses of CUDA through another file of the repository, which has imported it from PyTorch.

The port of such a name happens in the file that imports it, for all files that use it by that name. It cannot where
calls elsewhere would have to change with it: the import and those calls are then for a person.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from porter.catalog import Catalogue
from porter.index.facts import sites_of
from porter.index.merge import Borrower
from porter.index.site import Site
from porter.model import Effort, Verdict
from porter.rules.base import Context, Dismissed, Judgement
from porter.rules.table import action_of, package_of, sentence

_EDITED = (Verdict.AUTO, Verdict.REVIEW)


class Borrowed:
    """What the files of a run use by names that other files gave them."""

    def __init__(self, borrowers: Iterable[Borrower], catalogue: Catalogue, target: str) -> None:
        self._sites: dict[str, frozenset[Site]] = {}  # by path
        self._kept: dict[str, set[str]] = defaultdict(set)  # by module: what others call, and the calls change
        for path, before, after, origins in borrowers:
            sites = self._sites[path] = frozenset(sites_of(after)).difference(sites_of(before))
            called = {site.name for site in sites if site.role in ("call", "decorator")}
            for origin in origins.values():
                if origin.symbol in called and _changes(catalogue, origin.symbol, target):
                    self._kept[origin.module].add(origin.symbol)

    def temper(self, result: Judgement | Dismissed, site: Site, ctx: Context) -> Judgement | Dismissed:
        """What is left of an answer that concerns several files; ``site`` is as the first pass found it."""
        if isinstance(result, Dismissed):
            return result
        if site in self._sites.get(ctx.source.path, ()):
            return self._use(result)
        if site.role == "import" and site.name in self._kept.get(ctx.module, ()) and (result.edits or result.rename):
            advice = "other files import this name from here, and call it with arguments that have to change with it"
            return _by_hand(result, advice)
        return result

    def _use(self, result: Judgement) -> Judgement | Dismissed:
        if result.verdict is Verdict.PORTABLE or result.site.role == "import" or (result.rename and not result.edits):
            return Dismissed(result.site, "part")
        row = result.row
        if row is not None and row.rule == "cuda-only-package" and package_of(result.site.name, row) is not None:
            return Dismissed(result.site, "part")  # told where it is imported
        if result.verdict not in _EDITED:
            return result
        return _by_hand(result, "imported through another file of this repository: change the import there with it")


def _changes(catalogue: Catalogue, symbol: str, target: str) -> bool:
    """Whether more of a call changes than the name."""
    row = catalogue.find("symbol", symbol)
    answer = getattr(row, target) if row is not None else None
    return answer is not None and answer.verdict in _EDITED and (action_of(answer) != "rename" or bool(answer.absent))


def _by_hand(result: Judgement, why: str) -> Judgement:
    return msgspec.structs.replace(
        result,
        verdict=Verdict.MANUAL,
        effort=Effort.MINUTES,
        advice=sentence(result.advice, why),
        edits=(),
        rename=None,
    )
