"""The proof as JUnit XML: a test suite for each backend, UNVERIFIED as skipped unless it was required."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from porter.verify.outcome import Outcome, Verdict
from porter.verify.report.model import Report

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Report, *, width: int = 0, color: bool = False, verbose: bool = False) -> str:
    """The whole report."""
    root = ElementTree.Element("testsuites", name="porter verify")
    for backend in dict.fromkeys(outcome.backend for outcome in report.outcomes):
        outcomes = [outcome for outcome in report.outcomes if outcome.backend == backend]
        failed = [o for o in outcomes if o.verdict is Verdict.FAIL or o in report.missing]
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=f"porter verify {backend}",
            tests=str(len(outcomes)),
            failures=str(len(failed)),
            skipped=str(sum(not o.ran and o not in failed for o in outcomes)),
            errors="0",
            time=f"{sum(o.seconds for o in outcomes):.3f}",
        )
        properties = ElementTree.SubElement(suite, "properties")
        for role, places in report.places().items():
            if role in ("oracle", backend):
                for place in places:
                    ElementTree.SubElement(properties, "property", name=role, value=_clean(place))
        for note in report.caveats():
            ElementTree.SubElement(properties, "property", name="caveat", value=note)
        for outcome in outcomes:
            _case(suite, outcome, missing=outcome in report.missing)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _case(suite: ElementTree.Element, outcome: Outcome, *, missing: bool) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname=_clean(f"{outcome.suite}.{outcome.backend}"),
        name=_clean(outcome.case),
        time=f"{outcome.seconds:.3f}",
    )
    if outcome.verdict is Verdict.FAIL or missing:
        message = f"required, but UNVERIFIED: {outcome.reason}" if missing else outcome.reason
        failure = ElementTree.SubElement(case, "failure", message=_clean(message), type=str(outcome.verdict))
        failure.text = _clean("\n".join(filter(None, (outcome.first_divergence, outcome.detail))))
    elif not outcome.ran:
        ElementTree.SubElement(case, "skipped", message=_clean(outcome.reason))
    if outcome.warnings:
        ElementTree.SubElement(case, "system-out").text = _clean("\n".join(outcome.warnings))


def _clean(text: str) -> str:
    """Without what XML cannot hold: a traceback may carry anything."""
    return _NOT_XML.sub("?", text)
