"""Workflow commands, read as the runner of GitHub Actions reads them."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from porter.config import Settings
from porter.engine import Report
from porter.model import Finding, Problem, Verdict
from porter.report import terminal
from porter.report.view import View
from tests.cli.sample import finding
from tests.report.sample import shown

# The runner takes a command at the start of a line, blanks aside, and the older kind anywhere (ActionCommand.cs).
_COMMAND = re.compile(r"^\s*::(?P<name>[\w-]+)(?: (?P<properties>.*?))?::(?P<data>.*)$")
_OLD = "##["
_ESCAPES = {"%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ",", "%25": "%"}


class Command(NamedTuple):
    name: str
    properties: dict[str, str]
    data: str


def commands(text: str) -> list[Command]:
    found = []
    for line in re.split(r"\r\n|\r|\n", text):
        assert _OLD not in line
        if match := _COMMAND.match(line):
            pairs = (pair.partition("=") for pair in (match["properties"] or "").split(",") if pair)
            properties = {name: unescaped(value) for name, _, value in pairs}
            found.append(Command(match["name"], properties, unescaped(match["data"])))
    return found


def unescaped(text: str) -> str:
    for escape, char in _ESCAPES.items():
        text = text.replace(escape, char)
    return text


def many(*kinds: tuple[str, Verdict, int]) -> list[Finding]:
    """Findings of each code, verdict and number, all in one file."""
    text = "t.cuda()\n"
    found = []
    for code, verdict, count in kinds:
        one = finding("a.py", text, "t.cuda()", code=code, verdict=verdict, advice=f"Do {code}.")
        found += [msgspec.structs.replace(one, line=10 + i, end_line=10 + i) for i in range(count)]
    return sorted(found, key=lambda f: f.line)


def test_every_finding_is_an_annotation_of_its_line(report: Report) -> None:
    few = Report(findings=[f for f in report.findings if f.path in ("plain.py", "sub/crlf.py")])
    found = commands(shown("github", few))
    assert [(c.properties["file"], c.properties["line"]) for c in found] == [
        ("plain.py", "5"),
        ("plain.py", "6"),
        ("sub/crlf.py", "2"),
    ]
    assert {c.name for c in found} == {"error"}
    assert found[1].properties["title"] == "PRT101 hardcoded-cuda-device"
    assert 'Write `"neuron"`' in found[1].data


def test_severities_are_levels() -> None:
    report = Report(findings=many(("PRT101", Verdict.AUTO, 1), ("PRT502", Verdict.PORTABLE, 1)))
    assert [c.name for c in commands(shown("github", report))] == ["error", "notice"]
    assert commands(shown("github", report, severity={"PRT1": "warning"}))[0].name == "warning"


def test_no_name_steers_the_runner() -> None:
    evil = "::stop-commands::x\n::error::%0A,title=no ##[group]\r::add-mask::y.py"
    one = finding("a.py", "t.cuda()\n", "t.cuda()")
    bad = msgspec.structs.replace(one, path=evil, message=f"`{evil}`", advice=evil)
    few, lots = Report(findings=[bad]), Report(findings=[bad] * 15, problems=[Problem(evil, evil)])
    [command] = commands(shown("github", few))
    assert command.name == "error"
    assert command.properties.keys() == {"file", "line", "endLine", "col", "endColumn", "title"}
    names = [command.name for command in commands(shown("github", lots))]
    assert names == ["error"] * 10 + ["warning", "notice", "group", "endgroup"]


def test_what_github_does_not_show_is_in_the_log() -> None:
    found = many(("PRT101", Verdict.AUTO, 40), ("PRT502", Verdict.MANUAL, 2), ("PRT203", Verdict.BLOCKED, 1))
    text = shown("github", Report(findings=found))
    counts = Counter(c.name for c in commands(text))
    assert counts == {"error": 10, "notice": 1, "group": 1, "endgroup": 1}
    shown_codes = Counter(c.properties["title"].split()[0] for c in commands(text) if c.name == "error")
    assert shown_codes == {"PRT203": 1, "PRT502": 2, "PRT101": 7}, "the rarest are told before the commonest repeat"
    listed = text.split("::group::33 more findings\n")[1].split("::endgroup::")[0].splitlines()
    assert len(listed) == 33
    assert all(line.startswith("- a.py:") for line in listed)


@pytest.mark.parametrize("name", ["full", "concise", "grouped", "github", "markdown"])
def test_other_formats_are_safe_in_a_log_too(name: str, here: Path) -> None:
    path = "::stop-commands::x.py"
    text = "import torch  # ##[add-mask]torch\n    ::error::no\nd = torch.device('cuda')\n"
    Path(path).write_text(text)
    one = finding(path, text, "'cuda'", ("'cuda'", "'neuron'"))
    bad = msgspec.structs.replace(one, message="##[group]", advice="##[error]")
    found = commands(shown(name, Report(findings=[bad])))
    assert [command.name for command in found] == (["error"] if name == "github" else [])
    steering = Report(problems=[Problem("::error::x", "##[error]")])
    assert commands("".join(terminal.render(steering, View(Settings())))) == []
