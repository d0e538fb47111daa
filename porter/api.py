"""porter as a library: what `docs/api.md` describes, and nothing else. Reached as ``porter.check_paths`` and so on.

Neither function imports or runs the code that it looks at. Both may be called from several threads.
"""

from __future__ import annotations

import io
import os
import tokenize
from collections.abc import Iterable, Mapping
from typing import AnyStr, Generic, Literal

import msgspec

from porter.config import ConfigError, load
from porter.model import Edit, Effort, Evidence, Finding, Fix, Problem, Severity, Verdict

__all__ = [
    "ConfigError",
    "Edit",
    "Effort",
    "Evidence",
    "Finding",
    "Fix",
    "Problem",
    "Report",
    "Rewrite",
    "Severity",
    "Verdict",
    "check_paths",
    "rewrite_source",
]

Target = Literal["neuron", "portable", "xla"]


class Report(msgspec.Struct, frozen=True):
    """What `check_paths` found. ``failing`` are those of the ``findings`` on which ``porter check`` would fail."""

    findings: tuple[Finding, ...]
    failing: tuple[Finding, ...]
    problems: tuple[Problem, ...]
    files: int
    lines: int


class Rewrite(msgspec.Struct, Generic[AnyStr], frozen=True):
    """What `rewrite_source` made of a source.

    ``applied`` are the findings whose fix is in ``source``, ``left`` those that a person has to deal with,
    ``dropped`` those whose fix could not be applied, each with the reason. ``problems`` say what was not analysed.
    """

    source: AnyStr
    applied: tuple[Finding, ...]
    left: tuple[Finding, ...]
    dropped: tuple[tuple[Finding, str], ...]
    problems: tuple[Problem, ...]


def check_paths(
    paths: Iterable[str | os.PathLike[str]],
    *,
    target: Target | None = None,
    config: str | os.PathLike[str] | None = None,
    isolated: bool = False,
    settings: Mapping[str, object] | None = None,
) -> Report:
    """Find what ties the files below ``paths`` to CUDA, as ``porter check`` does.

    Args:
        paths: files and folders; paths in findings are relative to the working directory.
        target: what to port to; by default what the settings say, else ``neuron``.
        config: a settings file to use instead of the nearest one above ``paths``.
        isolated: use no settings file.
        settings: keys of ``[tool.porter]`` with their values; they replace those of the file.

    Raises:
        ConfigError: a settings file, a setting or a catalogue that cannot be used.
        FileNotFoundError: one of ``paths`` is not there.
    """
    from porter import engine

    names = [os.fspath(path) for path in paths]
    for name in names:
        os.stat(name)  # noqa: PTH116
    start = os.path.commonpath([os.path.abspath(name) for name in names]) if names else "."  # noqa: PTH100
    overrides = {**(settings or {}), **({"target": target} if target else {})}
    chosen = load(start, config, isolated=isolated, overrides=overrides)
    report = engine.run(names, chosen)
    return Report(
        findings=tuple(report.findings),
        failing=tuple(finding for finding in report.findings if chosen.weigh(finding) is Severity.ERROR),
        problems=tuple(report.problems),
        files=report.files,
        lines=report.lines,
    )


def rewrite_source(
    source: AnyStr,
    *,
    filename: str = "source.py",
    target: Target = "neuron",
    config: str | os.PathLike[str] | None = None,
    safe_only: bool = False,
) -> Rewrite[AnyStr]:
    """What ``porter rewrite`` makes of one file, given as text or as bytes. Nothing is read from disk but ``config``.

    Args:
        source: the file's content. Text that declares an encoding has to fit into it.
        filename: says what kind of file it is, and stands in findings.
        target: what to port to: ``neuron``, ``xla`` or ``portable``.
        config: a settings file; without it the defaults hold.
        safe_only: leave out what needs a review.

    Raises:
        ConfigError: settings that cannot be used.
        ValueError: text that the encoding it declares cannot express.
    """
    from porter import engine

    encoding = _encoding(source, filename) if isinstance(source, str) else ""
    raw = source.encode(encoding) if isinstance(source, str) else source
    settings = load(config=config, isolated=config is None, overrides={"target": target, "cache": False})
    result = engine.rewrite((filename,), settings, stdin=(filename, raw), safe_only=safe_only)
    changes = [change for change in result.files if change.after != raw or change.dropped]
    after = changes[0].after if changes else raw
    applied = tuple(finding for change in changes for finding in change.applied)
    dropped = tuple(pair for change in changes for pair in change.dropped)
    settled = {finding.fingerprint for finding in applied} | {finding.fingerprint for finding, _ in dropped}
    return Rewrite(
        source=after.decode(encoding) if isinstance(source, str) else after,
        applied=applied,
        left=tuple(
            finding
            for finding in result.report.findings
            if finding.fingerprint not in settled and finding.verdict is not Verdict.PORTABLE
        ),
        dropped=dropped,
        problems=tuple(result.report.problems),
    )


def _encoding(source: str, filename: str) -> str:
    """The encoding that a Python source declares, UTF-8 for anything else: so that porter reads what was meant."""
    if not filename.endswith((".py", ".pyi")):
        return "utf-8"
    try:
        return tokenize.detect_encoding(io.BytesIO(source.encode(errors="replace")).readline)[0]
    except SyntaxError:  # none that Python knows: porter says so
        return "utf-8"
