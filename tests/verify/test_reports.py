"""What is said about outcomes, in every format."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest

from porter.verify.outcome import Measure, Oracle, Outcome, Verdict
from porter.verify.report import json as json_format
from porter.verify.report import junit, text
from porter.verify.report.model import Report

ORACLE = Oracle("CPU, PyTorch 2.13.0", True, True, "oracle/net")
LOSS = Measure("loss", "loss", False, float("inf"), 1e-5, note="largest at step 2 of 2")
OUTPUT = Measure("output", "logits", True, 0.0, 1e-5, 0.0, 1e-6)


def outcome(backend: str, verdict: Verdict, **more: Any) -> Outcome:
    return Outcome(suite="demo", case="net", backend=backend, verdict=verdict, **more)


PASSED = outcome("sim", Verdict.PASS, place="simulated Neuron device", oracle=ORACLE, seconds=1.5, measures=(OUTPUT,))
FAILED = outcome(
    "xla-cpu",
    Verdict.FAIL,
    reason="loss: a <b> & \x00",
    detail="Traceback\n  \x1b[31mred\x1b[0m",
    oracle=ORACLE,
    measures=(LOSS, OUTPUT),
    losses={"loss": ([2.0, 1.0], [2.0, float("nan")])},
    first_divergence="in `scale` (Scale)",
    warnings=("a warning",),
    counters={"compiled": 2, "reused": 18, "compile_seconds": 4.5, "cpu_fallbacks": {"aten::nonzero": 3}},
)
NOT_RUN = outcome("neuron", Verdict.UNVERIFIED, reason="no torch_neuronx here")


@pytest.fixture
def report() -> Report:
    report = Report()
    report.add([PASSED, FAILED, NOT_RUN], require=["sim"])
    return report


def required() -> Report:
    report = Report()
    report.add([PASSED, NOT_RUN], require=["neuron"])
    return report


def test_what_is_good() -> None:
    report = Report()
    report.add([PASSED, NOT_RUN], require=["sim"])
    assert report.good
    assert not required().good
    assert required().summary() == "1 PASS, 1 UNVERIFIED; required and not run: neuron"
    report.add([FAILED], require=[])
    assert not report.good


def test_text(report: Report) -> None:
    shown = text.render(report, width=100, color=False, verbose=False)
    for said in (
        "CPU, PyTorch 2.13.0",
        "It does not show what",
        "mapped to the CPU, for that run alone",
        "loss: a <b>",
        "First divergence: in `scale` (Scale).",
        "inf / 1e-05",
        "warning: a warning",
        "aten::nonzero 3",
        "net: no torch_neuronx here",
    ):
        assert said in shown, said
    assert "logits" not in shown
    assert "logits" in text.render(report, width=100, color=False, verbose=True)
    assert shown.endswith("1 PASS, 1 FAIL, 1 UNVERIFIED\n")


def test_json_is_a_contract(report: Report) -> None:
    content = json.loads(json_format.render(report))
    assert list(content) == ["version", "porter", "passed", "counts", "places", "caveats", "outcomes"]
    assert (content["version"], content["passed"]) == (1, False)
    assert content["counts"] == {"pass": 1, "fail": 1, "unverified": 1}
    assert content["places"] == {"oracle": ["CPU, PyTorch 2.13.0"], "sim": ["simulated Neuron device"]}
    assert len(content["caveats"]) == 3
    _, failed, not_run = content["outcomes"]
    assert sorted(failed) == sorted(["required", *Outcome.__struct_fields__])
    assert failed["losses"] == {"loss": [[2.0, 1.0], [2.0, None]]}
    assert failed["measures"][0] == {
        "kind": "loss",
        "name": "loss",
        "passed": False,
        "maximum": None,
        "limit": 1e-5,
        "note": "largest at step 2 of 2",
    }
    assert (not_run["verdict"], not_run["oracle"], not_run["required"]) == ("UNVERIFIED", None, False)


def test_junit_is_valid_whatever_a_traceback_holds(report: Report) -> None:
    suites = {suite.get("name"): suite for suite in ElementTree.fromstring(junit.render(report))}
    assert list(suites) == [f"porter verify {backend}" for backend in ("sim", "xla-cpu", "neuron")]
    (failure,) = suites["porter verify xla-cpu"].iter("failure")
    assert failure.get("message") == "loss: a <b> & ?"
    assert failure.text == "in `scale` (Scale)\nTraceback\n  ?[31mred?[0m"
    (skipped,) = suites["porter verify neuron"].iter("skipped")
    assert skipped.get("message") == "no torch_neuronx here"
    counted = [(suite.get("tests"), suite.get("failures"), suite.get("skipped")) for suite in suites.values()]
    assert counted == [("1", "0", "0"), ("1", "1", "0"), ("1", "0", "1")]
    assert any("does not show" in p.get("value", "") for p in suites["porter verify sim"].iter("property"))


def test_junit_of_what_was_required_and_not_run() -> None:
    (_, suite) = ElementTree.fromstring(junit.render(required()))
    (failure,) = suite.iter("failure")
    assert failure.get("message") == "required, but UNVERIFIED: no torch_neuronx here"
    assert suite.get("skipped") == "0"
