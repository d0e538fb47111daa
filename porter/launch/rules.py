"""What porter's rules say of lines that a program failed at. The analyser is imported when it comes to that."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from porter.launch.frames import Owner, Place, owner

if TYPE_CHECKING:
    from porter.config import Settings
    from porter.model import Finding

MOST_FILES = 200  # of the program, to look at for what is not at the line itself
ORIGINS = ("PRT1", "PRT5")  # rules about where a device or a backend gets its name


class Opinion(msgspec.Struct):
    """Findings about a failure: ``exact`` where they are at its lines, else they only may be where it comes from."""

    findings: list[Finding]
    exact: bool
    settings: Settings

    def render(self, *, color: bool) -> str:
        """The findings as ``porter check`` shows them."""
        from porter.engine import Report
        from porter.report import full
        from porter.report.view import View

        return "".join(full.render(Report(findings=self.findings), View(self.settings, color=color)))


def judge(places: Sequence[Place], *, here: str, most: int, elsewhere: bool) -> Opinion:
    """What the rules say of ``places`` (innermost first), at most ``most`` findings; paths are relative to ``here``.

    Where they say nothing of the lines themselves, and ``elsewhere``: of what names a device in the program's files.
    """
    with _working_in(here):
        settings = _settings(places[0].path)
        found = _findings([place.path for place in places], settings)
        for place in places:
            if at := [finding for finding in found if _covers(finding, place)]:
                return Opinion(at[:most], True, settings)
        if not elsewhere:
            return Opinion([], True, settings)
        origins = [
            finding for finding in _findings(_program(places, here), settings) if finding.code.startswith(ORIGINS)
        ]
        origins.sort(key=lambda finding: _distance(finding, places))
        return Opinion(origins[:most], False, settings)


def _findings(paths: Sequence[str], settings: Settings) -> list[Finding]:
    """What asks for a change in these files."""
    from porter import engine
    from porter.report.words import failing, is_file

    files = [path for path in dict.fromkeys(paths) if Path(path).is_file()]
    if not files:
        return []
    return [finding for finding in failing(engine.run(files, settings).findings) if not is_file(finding)]


def _settings(path: str) -> Settings:
    """The settings for a file, with all rules, whatever ``porter check`` is to look at."""
    from porter.config import ConfigError, load

    everything = {"ignore": (), "per_file_ignores": {}, "force_exclude": False}
    given = {"target": "neuron", "jobs": 1, "cache": False, **everything}
    try:
        return load(path, overrides=given)
    except ConfigError:  # it is for `porter check` to complain
        return load(path, isolated=True, overrides=given)


def _program(places: Sequence[Place], here: str) -> list[str]:
    """The files that the program consists of: those of ``places``, and its modules below ``here``, imported so far."""
    modules = (getattr(module, "__file__", None) or "" for module in list(sys.modules.values()))
    near = [path for path in modules if path.endswith(".py") and Path(path).is_relative_to(here)]
    mine = [path for path in near if owner(path) is Owner.PROGRAM]
    return [*(place.path for place in places), *mine[:MOST_FILES]]


def _covers(finding: Finding, place: Place) -> bool:
    return finding.line <= place.end and place.line <= finding.end_line and _same(finding.path, place.path)


def _distance(finding: Finding, places: Sequence[Place]) -> tuple[int, bool, int]:
    """How far a finding is from a failure: by file, before it rather than after, by lines; elsewhere by certainty."""
    for rank, place in enumerate(places):
        if _same(finding.path, place.path):
            return rank, finding.line > place.line, abs(finding.line - place.line)
    return len(places), finding.fix is None, 0


def _same(one: str, other: str) -> bool:
    return Path(one).resolve() == Path(other).resolve()


@contextmanager
def _working_in(folder: str) -> Iterator[None]:
    """The working directory from which the user started the program, which it may have left."""
    try:
        before = os.getcwd()  # noqa: PTH109
        os.chdir(folder)
    except OSError:  # one of them is gone
        yield
        return
    try:
        yield
    finally:
        os.chdir(before)
