"""The second pass over a file: its sites, settled by what other files say, and what the rules make of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING

import msgspec

from porter.borrowed import Borrowed
from porter.catalog import Catalogue
from porter.config import Settings, relative, specificity
from porter.findings import dismissal, findings, ordered, position, unused
from porter.index.facts import PYTHON, Facts, Task, digest, sites_of
from porter.index.project import Project
from porter.index.site import Site
from porter.model import Dismissal, Finding, Problem
from porter.rules import presence
from porter.rules.base import Context, Dismissed, Judgement, Rule
from porter.rules.links import link
from porter.rules.policy import judged, rule_name
from porter.rules.temper import temper
from porter.sources import decode
from porter.sources.source import Source
from porter.sources.suppress import Suppressions, suppressions
from porter.targets import TARGETS

if TYPE_CHECKING:
    from porter.rewrite.helper import Helper

_TEXTS = ("string", "device", "backend")


class Judged(msgspec.Struct):
    """One file's findings in order, each with the group of its fix, and what was dismissed."""

    source: Source
    findings: list[Finding]
    groups: list[str | None]
    dismissed: list[Dismissal]


class Judge(msgspec.Struct, frozen=True):
    """What is the same for all files of a run."""

    settings: Settings
    catalogue: Catalogue
    rules: Mapping[str, Rule]
    enabled: frozenset[str]
    project: Project
    borrowed: Borrowed
    audit: bool  # whether what is dismissed is to be told
    helper: Helper | None = None

    def judge(self, task: Task, facts: Facts) -> Judged | Problem | None:
        """The findings of one file; None where it has no sites, a problem where it is not what was analysed."""
        sites = sites_of(facts)
        if not sites and not facts.directed:
            return None
        source = _source(task, facts)
        if isinstance(source, Problem):
            return source
        module, found = "", sites
        if facts.summary is not None:
            module = facts.summary.module
        sites = tuple(self.project.settle(site, module) for site in sites)
        target = TARGETS[self.settings.target]
        in_test = cache(partial(self.settings.is_test, source.path))  # asked of few files
        ctx = Context(
            source, target, self.catalogue, self.project, module, sites, target.edits, in_test, self.settings.min_torch
        )
        if self.helper is not None and target.definitions:
            ctx.borrowing = self.helper.borrowing(source.path)
        quiet = cache(partial(suppressions, source))
        answers = list(self._answers(found, ctx, quiet))
        judgements = link(judged(answers), ctx)
        dismissed = [a for a in answers if isinstance(a, Dismissed)]
        if task.kind in PYTHON:
            judgements = self._spelled(judgements, dismissed, ctx)
        judgements = ordered(source, judgements, self.rules)
        place = relative(source.path, self.settings.root)
        uses = findings(source, judgements, self.rules, place)
        pairs = list(zip(uses, (judgement.group for judgement in judgements), strict=True))
        if facts.directed and not facts.problems:
            pairs += [(finding, None) for finding in self._unused(source, quiet(), place)]
            pairs.sort(key=lambda pair: position(pair[0]))
        return Judged(
            source,
            [finding for finding, _ in pairs],
            [group for _, group in pairs],
            [dismissal(source, d) for d in dismissed] if self.audit else [],
        )

    def _spelled(self, judgements: list[Judgement], dismissed: Sequence[Dismissed], ctx: Context) -> list[Judgement]:
        """The judgements with all that their edits take. What cannot be spelled stays, with what belongs to it."""
        while any(j.rename or j.group or j.edits for j in judgements):
            from porter.rewrite import names, needs

            joined = presence.join(ctx.source, names.settle(ctx.source, judgements, dismissed))
            spelled = needs.supply(ctx.source, joined, ctx.target.definitions, presence.hindrance(ctx), ctx.borrowing)
            stuck = [before.edited and not after.edited for before, after in zip(joined, spelled, strict=True)]
            if not any(stuck):
                return spelled
            pairs = zip(judgements, spelled, stuck, strict=True)
            judgements = link([after if is_stuck else before for before, after, is_stuck in pairs], ctx)
        return judgements

    def _unused(self, source: Source, quiet: Suppressions, place: str) -> Iterator[Finding]:
        """Comments that silence nothing, where porter can know: all the rules that they may be there for have run."""
        rule = self.rules["unused-suppression"]
        if rule.name not in self.enabled or self.settings.ignores(source.path, rule.code, rule.name):
            return
        for item in quiet.unused():
            idle = item.selectors if not item.used else tuple(s for s in item.selectors if s in item.idle)
            meant = [r for r in self.rules.values() if any(specificity(s, r.code, r.name) for s in idle)]
            if not item.selectors:
                meant = [r for r in self.rules.values() if r.default]
            if all(r.name in self.enabled for r in meant):
                yield unused(source, item, idle, rule, place)

    def _answers(
        self, found: Sequence[Site], ctx: Context, quiet: Callable[[], Suppressions]
    ) -> Iterator[Judgement | Dismissed]:
        """What the rules say of each site of ``ctx``; ``found`` has the same sites as the first pass found them."""
        silenced = partial(self._silenced, ctx.source, quiet)
        for original, site in zip(found, ctx.sites, strict=True):
            row = self.catalogue.find(site.kind, site.name)
            if row is None:
                yield Dismissed(site, _reason(site))
                continue
            rule = self.rules[rule_name(site, row, ctx)]
            if rule.name not in self.enabled:
                continue
            result = rule.check(site, row, ctx)
            if isinstance(result, Judgement):
                result = self.borrowed.temper(temper(result, rule.name, ctx), original, ctx)
            if isinstance(result, Judgement):
                result = msgspec.structs.replace(result, rule=rule.name)
                if silenced(rule, site):
                    result = Dismissed(site, "suppressed", result.group)
            yield result

    def _silenced(self, source: Source, quiet: Callable[[], Suppressions], rule: Rule, site: Site) -> bool:
        lines = source.line(site.start), source.line(site.end)
        return quiet().covers(rule.code, rule.name, *lines) or self.settings.ignores(source.path, rule.code, rule.name)


def _source(task: Task, facts: Facts) -> Source | Problem:
    raw = task.read()
    if isinstance(raw, bytes) and digest(raw) != facts.digest:
        return Problem(task.display, "changed while porter was reading it; run porter again")
    return raw if isinstance(raw, Problem) else decode.decode(raw, task.display, task.kind)


def _reason(site: Site) -> str:
    """Why a site without a row is no finding."""
    if site.kind in _TEXTS:
        return "text"
    return {"own": "own", "requirement": "package"}.get(site.kind, "user-name")
