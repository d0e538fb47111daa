"""Places and fixes, followed as another tool would follow them, lead to what porter itself does."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from porter.engine import Report
from porter.model import Finding
from tests.report.sample import FILES, shown

ENCODINGS = {"latin.py": "latin-1", "mark.py": "utf-8-sig"}


def text_of(path: str) -> str:
    return Path(path).read_bytes().decode(ENCODINGS.get(path, "utf-8"))


def offset(text: str, line: int, column: int, *, octets: bool = False) -> int:
    """Where a place is in a text, in code points; ``column`` counts bytes of UTF-8 if asked to."""
    lines = text.split("\n")
    before = lines[line - 1].encode()[: column - 1].decode() if octets else lines[line - 1][: column - 1]
    return sum(len(above) + 1 for above in lines[: line - 1]) + len(before)


def edited(text: str, edits: list[tuple[int, int, str]]) -> str:
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def by_porter(finding: Finding) -> bytes:
    """The file with one finding's fix."""
    raw = Path(finding.path).read_bytes()
    assert finding.fix is not None
    encode = ENCODINGS.get(finding.path, "utf-8").removesuffix("-sig")
    for edit in sorted(finding.fix.edits, reverse=True):
        raw = raw[: edit.start] + edit.text.encode(encode) + raw[edit.end :]
    return raw


def sarif(report: Report) -> list[dict[str, Any]]:
    return json.loads(shown("sarif", report))["runs"][0]["results"]  # type: ignore[no-any-return]


def test_sarif_fixes_do_what_porter_does(report: Report) -> None:
    done = set()
    for result, finding in zip(sarif(report), report.findings, strict=True):
        assert ("fixes" in result) == (finding.fix is not None)
        for fix in result.get("fixes", ()):
            [change] = fix["artifactChanges"]
            assert unquote(change["artifactLocation"]["uri"]) == finding.path
            text = text_of(finding.path)
            edits = [
                (
                    offset(text, place["deletedRegion"]["startLine"], place["deletedRegion"]["startColumn"]),
                    offset(text, place["deletedRegion"]["endLine"], place["deletedRegion"]["endColumn"]),
                    place["insertedContent"]["text"],
                )
                for place in change["replacements"]
            ]
            encoding = ENCODINGS.get(finding.path, "utf-8")
            assert edited(text, edits).encode(encoding) == by_porter(finding)
            done.add(finding.path)
    assert {"sub/crlf.py", "latin.py", "mark.py", "wide.py", "many.py", "work.ipynb", "ascii.ipynb"} <= done


@pytest.mark.parametrize("name", ["sarif", "rdjson"])
def test_regions_hold_what_the_findings_are_about(name: str, report: Report) -> None:
    """In a notebook, too, where they are the lines of the JSON."""
    held = defaultdict(list)
    results = sarif(report) if name == "sarif" else json.loads(shown(name, report))["diagnostics"]
    for result, finding in zip(results, report.findings, strict=True):
        if name == "sarif":
            region = result["locations"][0]["physicalLocation"]["region"]
            start, end = (region["startLine"], region["startColumn"]), (region["endLine"], region["endColumn"])
        else:
            span = result["location"]["range"]
            start, end = ((span[side]["line"], span[side]["column"]) for side in ("start", "end"))
        octets = name == "rdjson" and finding.path != "latin.py"  # reviewdog reads UTF-8 alone
        text = text_of(finding.path)
        held[finding.path].append(text[offset(text, *start, octets=octets) : offset(text, *end, octets=octets)])
    if name == "sarif":
        assert held["latin.py"] == ["'cuda'"]
    assert held["mark.py"] == ["'cuda'"]
    assert held["wide.py"] == ["torch.cuda.synchronize"]
    assert held["work.ipynb"] == held["ascii.ipynb"] == ['\\"cuda\\"', "torch.cuda.synchronize"]
    assert held["requirements.txt"][-1].startswith("flash-attn")


def test_rdjson_suggestions_do_what_porter_does(report: Report) -> None:
    found = 0
    for result, finding in zip(json.loads(shown("rdjson", report))["diagnostics"], report.findings, strict=True):
        for suggestion in result["suggestions"]:
            if finding.path == "latin.py":
                continue
            text, span = text_of(finding.path), suggestion["range"]
            start, end = (
                offset(text, span[side]["line"], span[side]["column"], octets=True) for side in ("start", "end")
            )
            encoding = ENCODINGS.get(finding.path, "utf-8")
            assert edited(text, [(start, end, suggestion["text"])]).encode(encoding) == by_porter(finding)
            found += 1
    assert found > 6


def test_lines_of_other_formats_are_those_on_disk(report: Report) -> None:
    lines = {
        issue["location"]["path"]: issue["location"]["lines"]["begin"] for issue in json.loads(shown("gitlab", report))
    }
    work = FILES["work.ipynb"].decode().splitlines()
    assert "synchronize" in work[lines["work.ipynb"] - 1]
    assert lines["ascii.ipynb"] == 1


def test_paths_are_those_of_the_repository(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from porter import engine
    from porter.config import load

    (repository / ".git").mkdir()
    monkeypatch.chdir(repository / "sub")
    found = engine.run((".",), load(isolated=True, overrides={"cache": False}))
    assert {finding.path for finding in found.findings} == {"crlf.py"}
    assert sarif(found)[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "sub/crlf.py"
    assert json.loads(shown("gitlab", found))[0]["location"]["path"] == "sub/crlf.py"
    assert "file=sub/crlf.py," in shown("github", found)


def test_files_that_are_gone_keep_the_numbers_of_the_finding(report: Report) -> None:
    Path("work.ipynb").unlink()
    [first, _] = [
        result["locations"][0]["physicalLocation"]["region"]
        for result, finding in zip(sarif(report), report.findings, strict=True)
        if finding.path == "work.ipynb"
    ]
    assert first["startLine"] == 3
