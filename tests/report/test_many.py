"""20,000 findings, and more: memory that does not grow with the output, and output within the limits of its readers."""

from __future__ import annotations

import gzip
import json
import tracemalloc

import msgspec
import pytest

from porter.config import load
from porter.engine import Report
from porter.model import Finding, Verdict
from porter.report import CHECK_FORMATS, renderer
from porter.report.sarif import MOST
from porter.report.view import View
from tests.cli.sample import finding, write
from tests.report.sample import shown

MANY = 20_000
A_FILE = 100  # findings
A_FINDING = 400  # bytes that a format may keep: its place in a list, no text
KINDS = (
    ("PRT101", Verdict.AUTO),
    ("PRT303", Verdict.REVIEW),
    ("PRT203", Verdict.MANUAL),
    ("PRT704", Verdict.BLOCKED),
)


def findings(number: int) -> list[Finding]:
    """So many, with real files under them, in the order of porter's."""
    text = "".join(f"    step({i}, device='cuda')\n" for i in range(A_FILE))
    models = []
    for i in range(A_FILE):
        code, verdict = KINDS[i % len(KINDS)]
        fixes = [("'cuda'", "'neuron'")] if verdict in (Verdict.AUTO, Verdict.REVIEW) else []
        span = f"step({i}, device='cuda')"
        models.append(finding("", text, span, *fixes, code=code, verdict=verdict, advice=f"Do {code}."))
    made = []
    for at in range(number):
        path = f"package/module_{at // A_FILE:04}.py"
        if not at % A_FILE:
            write(path, text)
        made.append(msgspec.structs.replace(models[at % A_FILE], path=path, fingerprint=f"{at:020x}"))
    return made


@pytest.mark.parametrize("name", CHECK_FORMATS)
def test_memory_does_not_grow_with_the_findings(name: str, here: object) -> None:
    view = View(load(isolated=True))
    render = renderer(CHECK_FORMATS, name)
    few, many = Report(findings=findings(500)), Report(findings=findings(4000))
    sum(map(len, render(many, view)))  # imports, and what is kept of every name once
    peaks = []
    for report in (few, many):
        tracemalloc.start()
        try:
            size = sum(map(len, render(report, view)))
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    grown = peaks[1] - peaks[0]
    assert grown < A_FINDING * 3500, f"{grown / 1e6:.1f} MB more, for {size / 1e6:.1f} MB of output"


def test_sarif_keeps_to_githubs_limits(here: object) -> None:
    text = shown("sarif", Report(findings=findings(MANY)))
    assert len(gzip.compress(text.encode())) < 10 << 20
    run = json.loads(text)["runs"][0]
    assert len(run["results"]) == MANY
    assert run["properties"] == {"target": "neuron", "findings": MANY, "omitted": 0}


def test_sarif_leaves_out_what_tells_least(here: object) -> None:
    found = findings(MOST + 2 * A_FILE)
    run = json.loads(shown("sarif", Report(findings=found), severity={"PRT303": "warning"}))["runs"][0]
    assert len(run["results"]) == MOST
    assert run["properties"]["omitted"] == 2 * A_FILE
    [note] = run["invocations"][0]["toolExecutionNotifications"]
    assert note["message"]["text"].startswith("200 results left out")
    levels = [result["level"] for result in run["results"]]
    assert levels.count("error") == len(found) * 3 // 4, "what fails the gate is all there"
    uris = [result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in run["results"]]
    assert uris == sorted(uris)
