"""The proof as one JSON object; the contract is described in `docs/verify.md`."""

from __future__ import annotations

import msgspec

import porter
from porter.verify.report.model import Report

VERSION = 1


def render(report: Report, *, width: int = 0, color: bool = False, verbose: bool = False) -> str:
    """The whole report. Numbers that are not finite are null."""
    content = {
        "version": VERSION,
        "porter": porter.__version__,
        "passed": report.good,
        "counts": {str(verdict).lower(): count for verdict, count in report.counts().items()},
        "places": report.places(),
        "caveats": report.caveats(),
        "outcomes": [
            {"required": outcome in report.missing, **msgspec.to_builtins(outcome)} for outcome in report.outcomes
        ],
    }
    return msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n"
