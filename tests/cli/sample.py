"""Findings made by hand, with real files under them, for tests of what is shown."""

from __future__ import annotations

from pathlib import Path

from porter.config import Settings
from porter.engine import Report
from porter.model import Edit, Effort, Evidence, Finding, Fix, Problem, Verdict
from porter.report.view import View

EFFORT = {
    Verdict.REVIEW: Effort.MINUTES,
    Verdict.MANUAL: Effort.HOURS,
    Verdict.BLOCKED: Effort.DAYS,
    Verdict.UNKNOWN: Effort.HOURS,
}
NAMES = {
    "PRT101": "hardcoded-cuda-device",
    "PRT203": "cuda-stream",
    "PRT209": "unknown-cuda-symbol",
    "PRT303": "cuda-autocast",
    "PRT502": "data-parallel",
    "PRT704": "attention-implementation",
}


def finding(
    path: str,
    text: str | bytes,
    span: str,
    *edits: tuple[str, str],
    code: str = "PRT101",
    verdict: Verdict = Verdict.AUTO,
    symbol: str | None = "cuda",
    advice: str = "",
    encoding: str = "utf-8",
) -> Finding:
    """A finding on the first ``span`` in ``text``; each edit replaces the first occurrence of its old text.

    An edit whose old text is empty inserts at the start of the file.
    """
    raw = text if isinstance(text, bytes) else text.encode(encoding)
    decoded = raw.decode(encoding)
    start = decoded.index(span)
    line = decoded.count("\n", 0, start) + 1
    column = start - (decoded.rfind("\n", 0, start) + 1) + 1
    end = start + len(span)
    made = []
    for old, new in edits:
        at = raw.index(old.encode(encoding))
        made.append(Edit(at, at + len(old.encode(encoding)), new))
    return Finding(
        path=path,
        line=line,
        column=column,
        end_line=decoded.count("\n", 0, end) + 1,
        end_column=end - (decoded.rfind("\n", 0, end) + 1) + 1,
        cell=None,
        code=code,
        name=NAMES[code],
        symbol=symbol,
        verdict=verdict,
        message=f"`{symbol}` ties this to CUDA",
        advice=advice,
        guarded=False,
        effort=EFFORT.get(verdict, Effort.NONE),
        evidence=Evidence.A,
        fix=Fix("safe" if verdict is Verdict.AUTO else "unsafe", tuple(made)) if made else None,
        fingerprint="0" * 16,
    )


def write(path: str, text: str | bytes) -> None:
    """Put a file below the working directory, which a test has made its own."""
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())


def report(*findings: Finding, problems: tuple[Problem, ...] = ()) -> Report:
    """A report on 93 files."""
    return Report(findings=list(findings), problems=list(problems), files=93, dismissed=[], lines=21034, seconds=0.84)


def view(*, color: bool = False, width: int = 100) -> View:
    """Default settings, no colours."""
    return View(Settings(), color=color, width=width)
