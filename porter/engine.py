"""Paths in, findings out: the one place that knows the order of the steps."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Protocol

import msgspec

from porter import catalog, rules
from porter.catalog import Catalogue
from porter.catalog.types import load_types
from porter.config import ConfigError, Settings, check_selectors
from porter.index.analyse import FileFacts, Task, analyse
from porter.index.project import Project
from porter.index.site import Site
from porter.index.summary import Summary
from porter.index.watch import Watch, watch
from porter.model import Dismissal, Edit, Effort, Finding, Fix, Problem, Verdict
from porter.rules.base import REASONS, Context, Dismissed, Judgement, Rule
from porter.rules.policy import guarded, link, rule_name, temper
from porter.sources import decode, discover
from porter.sources.prefilter import Prefilter
from porter.sources.source import Source
from porter.sources.suppress import Suppressions, suppressions
from porter.targets import TARGETS

_MENTIONING = 8  # files without CUDA that one name is followed into
PYTHON = frozenset({"python", "notebook"})


class Progress(Protocol):
    """What a run tells about how far it is."""

    def __call__(self, done: int, total: int) -> None:
        """``done`` of ``total`` files are analysed."""


class Report(msgspec.Struct):
    """The result of a run: findings by path, cell, line, column and code."""

    findings: list[Finding]
    problems: list[Problem]
    files: int
    lines: int
    seconds: float
    dismissed: list[Dismissal]


class FileChange(msgspec.Struct):
    """One file before and after `rewrite`, with what was applied and what had to be left, and why."""

    path: str
    before: bytes
    after: bytes
    applied: list[Finding]
    dropped: list[tuple[Finding, str]]


class RewriteReport(msgspec.Struct):
    """The result of `rewrite`; nothing is written to disk."""

    files: list[FileChange]
    report: Report


class Judged(msgspec.Struct):
    """One file's findings, each with the fix's group, and what was dismissed."""

    source: Source
    findings: list[Finding]
    groups: list[str | None]
    dismissed: list[Dismissal]


class Run:
    """One run over a set of paths: what is shared between files."""

    def __init__(self, settings: Settings, audit: bool) -> None:
        self.settings = settings
        self.audit = audit
        self.target = TARGETS[settings.target]
        self.catalogue = _catalogue(settings)
        self.rules = rules.load()
        check_selectors(settings, self.rules.values())
        self.enabled = frozenset(name for name, rule in self.rules.items() if settings.enables(rule))
        self.watch: Watch = watch(self.catalogue, self.enabled)
        self.types = load_types()
        self.problems: list[Problem] = []
        self.files = self.lines = 0

    def judge(self, paths: Sequence[str], stdin: tuple[str, bytes] | None, progress: Progress | None) -> list[Judged]:
        """Analyse all files, then judge each with what the others say."""
        found = discover.discover([] if stdin else paths, self.settings)
        self.problems.extend(found.problems)
        tasks = [Task(c.path, c.display, c.kind, None) for c in found.candidates]
        if stdin is not None:
            name, raw = stdin
            tasks = [Task(name, name, discover.kind_of(name) or "python", raw)]
        self.files = len(tasks)
        facts = analyse(tasks, Prefilter(self.catalogue, self.enabled), self.watch, self.types, progress)
        python = {task.display: task.path for task in tasks if task.kind == "python"}
        rejected = [f.display for f in facts if f.summary is None and f.kind == "python"]
        project = Project(
            (f.summary for f in facts if f.summary),
            python,
            self.types,
            self._loader(python),
            lambda name: _mentioning(name, [(display, python[display]) for display in rejected if display in python]),
        )
        return [judged for f in facts if (judged := self._file(f, project)) is not None]

    def _loader(self, paths: dict[str, str]) -> Callable[[str], Summary | None]:
        from porter.index.build import index

        def load(display: str) -> Summary | None:
            source = decode.read(paths[display], display, "python")
            return index(source, self.watch, self.types).summary if isinstance(source, Source) else None

        return load

    def _file(self, facts: FileFacts, project: Project) -> Judged | None:
        self.lines += facts.lines
        unread = self._unparsable(facts)
        if not facts.sites:
            return unread
        source = decode.read(facts.path, facts.display, facts.kind) if facts.raw is None else _decode(facts)
        if isinstance(source, Problem):  # changed or gone since it was analysed
            self.problems.append(source)
            return None
        module = facts.summary.module if facts.summary is not None else ""
        sites = tuple(project.settle(site, module) for site in facts.sites) if module else facts.sites
        ctx = Context(source, self.target, self.catalogue, project, module, sites, self._edits(source))
        answers = list(self._answers(sites, ctx))
        judgements = link([a for a in answers if isinstance(a, Judgement)], ctx)
        dismissed = [a for a in answers if isinstance(a, Dismissed)]
        if any(j.rename or j.group or j.edits for j in judgements):
            from porter.rewrite import names

            judgements = names.settle(source, judgements, dismissed)
        judged = self._locate(source, judgements, dismissed)
        if unread is not None:
            judged.findings = [*unread.findings, *judged.findings]
            judged.groups = [*unread.groups, *judged.groups]
        return judged

    def _unparsable(self, facts: FileFacts) -> Judged | None:
        """What could not be analysed is a finding: it may hide CUDA uses. Silenced per file, the problem is known."""
        rule = self.rules["unparsable-file"]
        if not facts.problems or rule.name not in self.enabled:
            return None
        if self.settings.ignores(facts.display, rule.code, rule.name):
            return None
        self.problems.extend(facts.problems)
        findings = [
            Finding(
                path=problem.path,
                line=problem.line or 1,
                column=1,
                end_line=problem.line or 1,
                end_column=1,
                cell=None,
                code=rule.code,
                name=rule.name,
                symbol=None,
                verdict=Verdict.UNKNOWN,
                message=problem.message,
                advice="",
                guarded=False,
                effort=Effort.MINUTES,
                evidence=None,
                fix=None,
                fingerprint=blake2b(f"{problem.path}\0{rule.code}\0{problem.message}".encode(), digest_size=10).hexdigest(),
            )
            for problem in facts.problems
        ]
        return Judged(Source(facts.display, b"", b"", facts.kind), findings, [None] * len(findings), [])

    def _edits(self, source: Source) -> bool:
        return self.target.name == "neuron" and source.kind in PYTHON

    def _answers(self, sites: Iterable[Site], ctx: Context) -> Iterator[Judgement | Dismissed]:
        quiet = suppressions(ctx.source)
        in_test = self.settings.is_test(ctx.source.path)
        for site in sites:
            row = self.catalogue.find(site.kind, site.name)
            if row is None:
                yield Dismissed(site, _reason(site.kind))
                continue
            rule = self.rules[rule_name(site, row, ctx)]
            if rule.name not in self.enabled:
                continue
            result = temper(rule.check(site, row, ctx), rule.name, in_test=in_test)
            if isinstance(result, Judgement):
                if self._silenced(rule, site, ctx.source, quiet):
                    result = Dismissed(site, "suppressed")
                else:
                    result = msgspec.structs.replace(result, rule=rule.name)
            yield result

    def _silenced(self, rule: Rule, site: Site, source: Source, quiet: Suppressions) -> bool:
        lines = source.line(site.start), source.line(site.end)
        return quiet.covers(rule.code, rule.name, *lines) or self.settings.ignores(source.path, rule.code, rule.name)

    def _locate(self, source: Source, judgements: Iterable[Judgement], dismissed: Iterable[Dismissed]) -> Judged:
        located = [(_finding(source, j, self.rules[j.rule]), j.group) for j in judgements]
        located.sort(key=lambda pair: (pair[0].cell or 0, pair[0].line, pair[0].column, pair[0].code))
        fingerprinted = _fingerprint([f for f, _ in located], source)
        shown = [_dismissal(source, d) for d in dismissed] if self.audit else []
        return Judged(source, fingerprinted, [g for _, g in located], shown)


def _mentioning(name: str, files: Iterable[tuple[str, str]]) -> list[str]:
    """The files that hold ``name`` as an attribute or key, and may put something on a device; the first few."""
    word = re.compile(rb"[.\"']" + name.encode() + rb"\b")
    found: list[str] = []
    for display, path in files:
        raw = decode.read_bytes(path, display)
        if isinstance(raw, bytes) and (b".to(" in raw or b"torch.device(" in raw) and word.search(raw):
            found.append(display)
            if len(found) == _MENTIONING:
                break
    return found


def run(
    paths: Sequence[str],
    settings: Settings,
    *,
    stdin: tuple[str, bytes] | None = None,
    audit: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Find what ties the files below ``paths`` to CUDA. Reads only; never imports or executes what it reads.

    Args:
        paths: files and directories.
        settings: see `porter.config.load`.
        stdin: name and bytes of one file to look at instead of ``paths``.
        audit: also report what mentions CUDA and is no finding, with the reason.
        progress: told about each step.

    Raises:
        ConfigError: settings or the user's catalogue cannot be used.
    """
    started = time.perf_counter()
    state = Run(settings, audit)
    return _report(state, state.judge(paths, stdin, progress), started)


def rewrite(
    paths: Sequence[str],
    settings: Settings,
    *,
    stdin: tuple[str, bytes] | None = None,
    safe_only: bool = False,
    annotate: bool = False,
    progress: Progress | None = None,
) -> RewriteReport:
    """What the files below ``paths`` become when all fixes are applied. Writes nothing: see `porter.rewrite.apply`.

    ``safe_only`` leaves out verdict review; ``annotate`` adds a comment where a person must decide. Raises ConfigError.
    """
    from porter.rewrite.apply import apply

    started = time.perf_counter()
    state = Run(settings, audit=False)
    judged = state.judge(paths, stdin, progress)
    changes: list[FileChange] = []
    for file in judged:
        result = apply(file.source, file.findings, file.groups, safe_only=safe_only, annotate=annotate)
        state.problems.extend(result.problems)
        if result.after != file.source.raw or result.dropped:
            changes.append(FileChange(file.source.path, file.source.raw, result.after, result.applied, result.dropped))
    return RewriteReport(changes, _report(state, judged, started))


def _report(state: Run, judged: list[Judged], started: float) -> Report:
    return Report(
        findings=[finding for file in judged for finding in file.findings],
        problems=sorted(state.problems, key=lambda p: (p.path, p.line or 0)),
        files=state.files,
        lines=state.lines,
        seconds=time.perf_counter() - started,
        dismissed=[dismissal for file in judged for dismissal in file.dismissed],
    )


def _catalogue(settings: Settings) -> Catalogue:
    from pathlib import Path

    try:
        return catalog.load([Path(name) for name in settings.catalogue])
    except catalog.CatalogueError as error:
        raise ConfigError(str(error)) from error


def _decode(facts: FileFacts) -> Source | Problem:
    assert facts.raw is not None
    return decode.decode(facts.raw, facts.display, facts.kind)


def _reason(kind: str) -> str:
    if kind == "own":
        return "user-method"
    return "text" if kind in ("string", "device", "backend", "environment") else "user-name"


def _finding(source: Source, judgement: Judgement, rule: Rule) -> Finding:
    site = judgement.site
    call = site.call if site.role in ("call", "decorator") and site.kind != "argument" else None
    start, end = site.start, max(site.end, call.end) if call is not None and site.kind == "method" else site.end
    line, column, cell = source.locate(start)
    end_line, end_column, _ = source.locate(end)
    verdict, fix = judgement.verdict, None
    if judgement.edits and verdict in (Verdict.AUTO, Verdict.REVIEW):
        fix = _fix(source, judgement)
        verdict = verdict if fix is not None else Verdict.MANUAL
    return Finding(
        path=source.path,
        line=line,
        column=column,
        end_line=end_line,
        end_column=end_column,
        cell=cell,
        code=rule.code,
        name=rule.name,
        symbol=site.name,
        verdict=verdict,
        message=judgement.message,
        advice=judgement.advice,
        guarded=guarded(site),
        effort=judgement.effort,
        evidence=judgement.evidence,
        fix=fix,
        fingerprint="",
    )


def _fix(source: Source, judgement: Judgement) -> Fix | None:
    edits: list[Edit] = []
    for edit in judgement.edits:
        translated = source.to_disk(edit.start, edit.end, edit.text)
        if translated is None:
            return None
        edits.append(translated)
    return Fix("safe" if judgement.verdict is Verdict.AUTO else "unsafe", tuple(sorted(edits)))


def _fingerprint(findings: list[Finding], source: Source) -> list[Finding]:
    """Name each finding so that it is known again after lines have moved: rule, symbol, its line's text, its ordinal."""
    seen: dict[bytes, int] = {}
    done: list[Finding] = []
    lines = source.text.split(b"\n")
    starts = source.line_starts
    for finding in findings:
        at = finding.line - 1 if finding.cell is None else 0
        text = b" ".join(source.text[starts[at] : starts[at + 1] if at + 1 < len(starts) else None].split()) if lines else b""
        key = "\0".join((source.path, finding.code, finding.symbol or "")).encode() + b"\0" + text
        seen[key] = seen.get(key, 0) + 1
        name = blake2b(key + b"\0%d" % seen[key], digest_size=10).hexdigest()
        done.append(msgspec.structs.replace(finding, fingerprint=name))
    return done


def _dismissal(source: Source, dismissed: Dismissed) -> Dismissal:
    line, _, cell = source.locate(dismissed.site.start)
    end_line, _, _ = source.locate(dismissed.site.end)
    return Dismissal(source.path, line, end_line, cell, dismissed.site.name, REASONS[dismissed.reason])

