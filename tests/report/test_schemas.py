"""Reports for other tools follow the schemas that those tools publish."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
import xmlschema

from porter.engine import Report
from porter.model import Problem
from tests.report.sample import shown

SCHEMAS = Path(__file__).parent / "schemas"
EMPTY = Report(files=3)
TROUBLED = Report(files=1, problems=[Problem("a/pipe\x1b.py", "is not a regular file; name a file", None)])


@cache
def validator(name: str) -> jsonschema.protocols.Validator:
    schema = json.loads((SCHEMAS / name).read_text(encoding="utf-8"))
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return kind(schema, format_checker=kind.FORMAT_CHECKER)


def check_sarif(text: str) -> None:
    validator("sarif-schema-2.1.0.json").validate(json.loads(text))


def check_rdjson(text: str) -> None:
    validator("DiagnosticResult.json").validate(json.loads(text))


def check_gitlab(text: str) -> None:
    """GitLab's own schema of an issue, and what its page on Code Quality asks for beside it."""
    issues = json.loads(text)
    assert isinstance(issues, list)
    for issue in issues:
        validator("codeclimate.json").validate(issue)
        assert issue["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert issue["check_name"]
        assert issue["location"]["lines"]["begin"] >= 1
        assert not issue["location"]["path"].startswith(("./", "/"))
    assert len({issue["fingerprint"] for issue in issues}) == len(issues)
    assert not text.startswith("\N{ZERO WIDTH NO-BREAK SPACE}"), "GitLab takes no byte order mark"


def check_junit(text: str) -> None:
    xmlschema.XMLSchema(SCHEMAS / "junit-10.xsd").validate(text)
    root = ElementTree.fromstring(text)
    for counted in (root, *root):
        for tag, name in (("testcase", "tests"), ("failure", "failures"), ("error", "errors")):
            assert int(counted.attrib[name]) == len(counted.findall(f".//{tag}")), (counted.attrib, tag)


CHECKS = {"sarif": check_sarif, "rdjson": check_rdjson, "gitlab": check_gitlab, "junit": check_junit}


@pytest.mark.parametrize("name", CHECKS)
def test_a_report_is_valid(name: str, report: Report) -> None:
    CHECKS[name](shown(name, report))


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("other", [EMPTY, TROUBLED], ids=["empty", "troubled"])
def test_a_report_without_findings_is_valid(name: str, other: Report, here: Path) -> None:
    CHECKS[name](shown(name, other))


@pytest.mark.parametrize("name", CHECKS)
def test_a_report_that_fails_nothing_is_valid(name: str, report: Report) -> None:
    CHECKS[name](shown(name, report, severity={"ALL": "warning"}))


def test_the_check_finds_what_is_wrong(report: Report) -> None:
    with pytest.raises(jsonschema.ValidationError):
        check_sarif(shown("sarif", report).replace('"startLine"', '"line"'))
    with pytest.raises(xmlschema.XMLSchemaValidationError):
        check_junit(shown("junit", report).replace("<failure", "<fault").replace("</failure", "</fault"))
    with pytest.raises(jsonschema.ValidationError):
        check_rdjson(shown("rdjson", report).replace('"ERROR"', '"BAD"'))


def run_of(text: str) -> dict[str, Any]:
    [run] = json.loads(text)["runs"]
    return run


def test_what_github_asks_of_sarif(report: Report) -> None:
    run = run_of(shown("sarif", report))
    rules = run["tool"]["driver"]["rules"]
    for rule in rules:
        assert rule["shortDescription"]["text"]
        assert len(rule["shortDescription"]["text"]) <= 1024
        assert len(rule["fullDescription"]["text"]) <= 1024
        assert rule["help"]["text"]
        assert len(rule["name"]) <= 255
        assert len(rule["properties"]["tags"]) <= 10
    assert len(run["results"]) == len(report.findings)
    prints = [result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"]]
    assert len(set(prints)) == len(prints)
    for result, finding in zip(run["results"], report.findings, strict=True):
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == finding.code
        assert result["message"]["text"]
        [location] = result["locations"]
        assert location["physicalLocation"]["artifactLocation"]["uriBaseId"] == "%SRCROOT%"
        assert min(location["physicalLocation"]["region"].values()) >= 1


def test_rules_do_not_depend_on_what_is_found(report: Report, here: Path) -> None:
    tools = [run_of(shown("sarif", which))["tool"] for which in (report, EMPTY)]
    assert tools[0] == tools[1]


def test_files_that_were_not_looked_at_are_told() -> None:
    [note] = run_of(shown("sarif", TROUBLED))["invocations"][0]["toolExecutionNotifications"]
    assert "not a regular file" in note["message"]["text"]
    assert note["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "a/pipe%1B.py"


def test_without_an_address_there_are_no_links(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    from porter.report import address

    monkeypatch.setattr(address, "home", lambda: None)
    assert "helpUri" not in shown("sarif", report)
    assert '"url"' not in shown("rdjson", report)


def test_links_lead_to_the_page_of_the_rule(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    from porter.report import address, sarif

    for module in (address, sarif):
        monkeypatch.setattr(module, "home", lambda: "https://example.org/docs/")
    text = shown("sarif", report)
    check_sarif(text)
    driver = run_of(text)["tool"]["driver"]
    pages = {rule["helpUri"] for rule in driver["rules"]}
    assert "https://example.org/docs/rules/cuda-stream.md" in pages
    assert driver["informationUri"] == "https://example.org/docs/"
    link = "\x1b]8;;https://example.org/docs/rules/cuda-stream.md\x1b\\"
    for name in ("full", "concise", "grouped"):
        assert link in shown(name, report, color=True)
        assert link not in shown(name, report)
