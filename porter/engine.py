"""Paths in, findings out: the one place that knows the order of the steps.

What only a real run needs is imported when it comes to that: a report from the cache needs none of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from porter.cache import Cache
from porter.collecting import uncollected
from porter.config import ConfigError, Settings, check_selectors, relative
from porter.index.facts import PYTHON, Facts, Setup, Task
from porter.limit import TooSlow, limited, slow
from porter.model import Dismissal, Finding, Problem
from porter.sources import discover
from porter.sources.kinds import kind_of

if TYPE_CHECKING:
    from porter.judge import Judge, Judged
    from porter.rewrite.apply import Result
    from porter.rewrite.helper import Helper
    from porter.rewrite.patch import Change
    from porter.rewrite.units import Unit

ROUNDS = 3  # in which what was rewritten is rewritten again, until nothing changes any more


class Progress(Protocol):
    """What a run tells about how far it is."""

    def __call__(self, done: int, total: int) -> None:
        """``done`` of ``total`` files are analysed."""


class Report(msgspec.Struct):
    """The result of a run: findings by path, cell, line, column and code."""

    findings: list[Finding] = []
    problems: list[Problem] = []
    files: int = 0
    lines: int = 0
    seconds: float = 0.0
    dismissed: list[Dismissal] = []


class FileChange(msgspec.Struct):
    """One file before and after `rewrite`, with what was applied and what had to be left, and why.

    ``changes`` leads from one to the other: see `porter.rewrite.patch`. ``units`` are what of it stands or falls
    together: see `porter.rewrite.units`. A file that is not there yet has no bytes before, and may have no units.
    """

    path: str
    before: bytes
    after: bytes
    changes: tuple[Change, ...]
    applied: list[Finding]
    dropped: list[tuple[Finding, str]]
    units: tuple[Unit, ...] = ()


class RewriteReport(msgspec.Struct):
    """The result of `rewrite`; nothing is written to disk."""

    files: list[FileChange]
    report: Report


class Memory(Protocol):
    """What the first pass may know already: a `porter.cache.Cache`, or what a server keeps in its own memory."""

    def begin(self, setup: Setup) -> None:
        """Get ready for what is found with this setup."""

    def find(self, task: Task, contents: bytes) -> Facts | None:
        """What is known of a file whose contents have this digest."""

    def add(self, task: Task, facts: Facts) -> None:
        """Keep what was found out about a file."""


class Run:
    """What both passes of a run, and the rounds of a rewrite, have in common."""

    def __init__(
        self, settings: Settings, cache: Memory | None, *, audit: bool = False, helper: str | None = None
    ) -> None:
        """Raises ConfigError."""
        from porter import catalog, rules

        self.settings, self.cache, self.audit = settings, cache, audit
        self.helper: Helper | None = None
        if helper is not None:
            from porter.rewrite.helper import Helper

            self.helper = Helper(relative(helper, ""))
            self.helper.check()
        try:
            self.catalogue = catalog.load([Path(name) for name in settings.catalogue])
        except catalog.CatalogueError as error:
            raise ConfigError(str(error)) from error
        self.rules = rules.load()
        check_selectors(settings, self.rules.values())
        self.enabled = frozenset(name for name, rule in self.rules.items() if settings.enables(rule))
        self.setup = Setup(settings.catalogue, self.enabled, settings.target, audit, settings.seconds_per_file)
        if cache is not None:
            cache.begin(self.setup)

    def first_pass(
        self, tasks: Sequence[Task], digests: Sequence[bytes | None], progress: Progress | None = None
    ) -> list[Facts]:
        """What each file says of itself: known from an earlier run, or found out now."""
        from porter.index.share import analyse_all

        cache = self.cache
        facts: list[Facts | None] = [None] * len(tasks)
        if cache is not None:
            facts = [cache.find(task, known) if known else None for task, known in zip(tasks, digests, strict=True)]
        places = [place for place, known in enumerate(facts) if known is None]
        for i, found in analyse_all([tasks[place] for place in places], self.setup, self.settings.jobs, progress):
            facts[places[i]] = found
            if cache is not None:
                cache.add(tasks[places[i]], found)
        return [known for known in facts if known is not None]

    def second_pass(
        self, tasks: Sequence[Task], facts: Sequence[Facts], report: Report, only: Collection[str] | None = None
    ) -> Iterator[Judged]:
        """Judge each file (of ``only``, by path) with what all of them say, and enter what is found in ``report``."""
        judge, facts = self.merge(tasks, facts)
        for task, known in zip(tasks, facts, strict=True):
            if only is None or task.display in only:
                judged = self.enter(task, known, judge, report)
                if judged is not None:
                    yield judged

    def merge(self, tasks: Sequence[Task], facts: Sequence[Facts]) -> tuple[Judge, list[Facts]]:
        """Who judges files by what all of them say, and the facts of each to be judged by."""
        from porter.borrowed import Borrowed
        from porter.index.analyse import lens
        from porter.index.merge import merge
        from porter.judge import Judge

        merged = merge(tasks, facts, lens(self.setup), self.first_pass)
        borrowed = Borrowed(merged.borrowers, self.catalogue, self.settings.target)
        judge = Judge(
            self.settings, self.catalogue, self.rules, self.enabled, merged.project, borrowed, self.audit, self.helper
        )
        return judge, merged.facts

    def enter(self, task: Task, facts: Facts, judge: Judge, report: Report) -> Judged | None:
        """Judge one file, and enter what is found in ``report``. None where there is nothing to judge."""
        report.files += 1
        report.lines += facts.lines
        known = len(report.findings)
        self._unparsable(task, facts.problems, report)
        try:
            with limited(self.settings.seconds_per_file):
                judged = judge.judge(task, facts)
        except TooSlow:
            self._unparsable(task, (slow(task.display, self.settings.seconds_per_file),), report)
            return None
        if isinstance(judged, Problem):
            report.problems.append(judged)
        elif judged is not None:
            report.findings += judged.findings
            report.dismissed += judged.dismissed
            if len(report.findings) - known > len(judged.findings):  # with cells that could not be analysed
                from porter.findings import position

                report.findings[known:] = sorted(report.findings[known:], key=position)
            return judged
        return None

    def _unparsable(self, task: Task, problems: Sequence[Problem], report: Report) -> None:
        """Report what could not be analysed. Where the finding is silenced, the problem is known."""
        from porter.findings import unparsable

        rule = self.rules["unparsable-file"]
        wanted = rule.name in self.enabled and not self.settings.ignores(task.display, rule.code, rule.name)
        if wanted and problems:
            report.problems += problems
            place = relative(task.display, self.settings.root)
            report.findings += [unparsable(problem, rule, place) for problem in problems]


@uncollected()
def run(
    paths: Sequence[str],
    settings: Settings,
    *,
    stdin: tuple[str, bytes] | None = None,
    audit: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Find what ties the files below ``paths`` to CUDA. Never imports or executes what it reads.

    Args:
        paths: files and directories.
        settings: see `porter.config.load`. Unless they forbid it, the cache is read and written.
        stdin: name and bytes of one file to look at instead of ``paths``.
        audit: also report what mentions CUDA and is no finding, with the reason.
        progress: told about each step.

    Raises:
        ConfigError: settings or the user's catalogue cannot be used.
    """
    started = time.perf_counter()
    tasks, problems = _tasks(paths, settings, stdin)
    cache = _cache(settings, stdin)
    digests = cache.digests(tasks) if cache else [None] * len(tasks)
    report = cache.report(cache.key(tasks, digests, problems, audit), Report) if cache else None
    if report is None:
        this = Run(settings, cache, audit=audit)
        facts = this.first_pass(tasks, digests, progress)
        report = Report(problems=problems)
        for _ in this.second_pass(tasks, facts, report):
            pass
        report.problems.sort(key=_place)
        if cache:
            cache.keep(cache.key(tasks, [known.digest for known in facts], problems, audit), report)
    if cache:
        cache.save()
    report.seconds = time.perf_counter() - started
    return report


@uncollected()
def rewrite(
    paths: Sequence[str],
    settings: Settings,
    *,
    stdin: tuple[str, bytes] | None = None,
    safe_only: bool = False,
    annotate: bool = False,
    helper: str | None = None,
    progress: Progress | None = None,
) -> RewriteReport:
    """What the files below ``paths`` become when all fixes are applied. Writes no file: see `porter.rewrite.apply`.

    What is rewritten is looked at again, so that a second rewrite of the files changes nothing. ``safe_only`` leaves
    out verdict review; ``annotate`` adds a comment where a person must decide. ``helper`` is a module to write, for
    files to take from it what asks for the device. Raises ConfigError.
    """
    started = time.perf_counter()
    tasks, problems = _tasks(paths, settings, stdin)
    cache = _cache(settings, stdin)
    this = Run(settings, cache, helper=helper)
    facts = this.first_pass(tasks, cache.digests(tasks) if cache else [None] * len(tasks), progress)
    report = Report(problems=problems)
    files = rewritten(this, tasks, facts, report, safe_only=safe_only, annotate=annotate)
    files = [*_helper(this, files), *files]
    if cache:
        cache.save()
    report.problems.sort(key=_place)
    report.seconds = time.perf_counter() - started
    return RewriteReport(files, report)


def strip(paths: Sequence[str], settings: Settings, *, stdin: tuple[str, bytes] | None = None) -> RewriteReport:
    """What the files below ``paths`` become without the comments that `rewrite` leaves. Analyses and writes nothing."""
    from porter.rewrite.annotate import MARK
    from porter.rewrite.apply import stripped
    from porter.sources.decode import decode

    started = time.perf_counter()
    tasks, problems = _tasks(paths, settings, stdin)
    report, files = Report(problems=problems, files=len(tasks)), []
    for task in tasks:
        raw = task.read()
        if isinstance(raw, bytes) and MARK not in raw.replace(b"\0", b""):  # which UTF-16 has between them
            continue
        source = decode(raw, task.display, task.kind) if isinstance(raw, bytes) else raw
        if isinstance(source, Problem):
            report.problems.append(source)
            continue
        result = stripped(source)
        report.problems += result.problems
        if result.changes:
            files.append(FileChange(task.display, source.raw, result.after, result.changes, [], []))
    report.problems.sort(key=_place)
    report.seconds = time.perf_counter() - started
    return RewriteReport(files, report)


def rewritten(
    this: Run,
    tasks: Sequence[Task],
    facts: Sequence[Facts],
    report: Report,
    only: Collection[str] | None = None,
    *,
    safe_only: bool = False,
    annotate: bool = False,
) -> list[FileChange]:
    """What becomes of the files (of ``only``, by path) that change, or have fixes that had to be left."""
    from porter.rewrite.apply import apply

    seconds = this.settings.seconds_per_file
    do = partial(apply, safe_only=safe_only, annotate=annotate)
    change = partial(_change, apply=do, seconds=seconds, report=report)
    files = {judged.source.path: change(judged) for judged in this.second_pass(tasks, facts, report, only)}
    _repeat(this, tasks, facts, files, change, report)
    return [file for file in files.values() if file.changes or file.dropped]


def _helper(this: Run, files: Sequence[FileChange]) -> list[FileChange]:
    """The helper, where files import what it does not define yet."""
    from porter.rewrite.patch import Change

    made = this.helper.written((file.path, file.after) for file in files) if this.helper is not None else None
    if this.helper is None or made is None:
        return []
    before, after = made
    return [FileChange(this.helper.path, before, after, (Change(0, len(before), after),), [], [])]


def _change(judged: Judged, apply: Callable[..., Result], seconds: float, report: Report) -> FileChange:
    path, before = judged.source.path, judged.source.raw
    try:
        with limited(seconds):
            result = apply(judged.source, judged.findings, judged.groups)
    except TooSlow:
        report.problems.append(slow(path, seconds))
        dropped = [(finding, "the file takes too long") for finding in judged.findings if finding.fix]
        return FileChange(path, before, before, (), [], dropped)
    report.problems += result.problems
    return FileChange(path, before, result.after, result.changes, result.applied, result.dropped, result.units)


def _repeat(
    this: Run,
    tasks: Sequence[Task],
    facts: Sequence[Facts],
    files: dict[str, FileChange],
    change: Callable[[Judged], FileChange],
    report: Report,
) -> None:
    """Rewrite what was rewritten, and join the changes. A file that will not come to rest stays as it was.

    Files that are not Python are looked at with every round: what a program requires depends on what it imports.
    What is found in a file that could be read no sooner is entered in ``report``.
    """
    from porter.rewrite.units import composed, flattened

    tasks, facts = list(tasks), list(facts)
    restless = {path for path, file in files.items() if file.changes}
    unread = {f.path for path in restless for f in files[path].applied if f.name == "unparsable-file"}
    others = {task.display for task in tasks if task.kind not in PYTHON and task.display in files}
    for _ in range(ROUNDS):
        if not restless:
            return
        places = [place for place, task in enumerate(tasks) if task.display in restless]
        for place in places:
            tasks[place] = tasks[place]._replace(raw=files[tasks[place].display].after)
        found = this.first_pass([tasks[place] for place in places], [None] * len(places))
        for place, known in zip(places, found, strict=True):
            facts[place] = known
        seen = Report()
        again = [change(judged) for judged in this.second_pass(tasks, facts, seen, restless | others)]
        report.findings += [finding for finding in seen.findings if finding.path in unread]
        unread.clear()
        restless = {file.path for file in again if file.changes}
        for file in again:
            if file.changes:
                first = files[file.path]
                first.units = composed(first.before, first.units, file.units)
                first.changes, first.after = flattened(first.units), file.after
                first.applied += file.applied
    for path in restless:
        file = files[path]
        file.dropped += [(finding, "a second rewrite would change its result again") for finding in file.applied]
        file.after, file.changes, file.applied, file.units = file.before, (), [], ()


def _tasks(
    paths: Sequence[str], settings: Settings, stdin: tuple[str, bytes] | None
) -> tuple[list[Task], list[Problem]]:
    """The files to look at, and what could not be listed."""
    if stdin is not None:
        name, raw = stdin
        return [Task(name, name, kind_of(name) or "python", raw)], []
    found = discover.discover(paths, settings)
    return [Task(*candidate) for candidate in found.candidates], found.problems


def _cache(settings: Settings, stdin: tuple[str, bytes] | None) -> Cache | None:
    """The cache, where it is wanted. Without the user's catalogues there is no run anyway."""
    if not settings.cache or stdin is not None:
        return None
    try:
        return Cache(settings)
    except OSError:
        return None


def _place(problem: Problem) -> tuple[str, int]:
    return problem.path, problem.line or 0
