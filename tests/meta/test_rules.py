"""Every rule is whole: a code in the table, a page, and cases for what trips rules up."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from porter import catalog, rules
from tests.literate import Case, parse

TESTS = Path(__file__).parents[1]
ARCHITECTURE = TESTS.parent / "docs" / "architecture.md"
RULES = rules.load()

HEADINGS = ("Hit", "Near miss", "Alias", "Shadowed name", "Guard", "Suppression", "Notebook")
SECTIONS = ("What CUDA does", "On Neuron", "Example")
FILE_SECTIONS = ("What to do", "Example")  # of the rules that speak of a file as a whole

# Headings that a rule's page may lack, with the reason. A rule that may lack them all needs no page.
NAMES = ("Alias", "Shadowed name", "Guard", "Notebook")
NO_PYTHON = "judges files that are not Python: no names, no branches, no cells"
EXEMPT: dict[str, tuple[tuple[str, ...], str]] = {
    "unparsable-file": (
        ("Alias", "Shadowed name", "Guard", "Suppression"),
        "where nothing parses there are no names, and no comments to trust",
    ),
    "rewrite-dropped": (HEADINGS, "reported where an edit of porter's own is wrong: no source provokes it"),
    "unused-suppression": (("Alias", "Shadowed name", "Guard"), "judges comments: no names, no branches"),
    "cuda-source": (NAMES, NO_PYTHON),
    "cuda-requirement": (NAMES, NO_PYTHON),
    "cuda-config-value": (NAMES, NO_PYTHON),
    "cuda-container": (NAMES, NO_PYTHON),
    "cuda-launch-command": (NAMES, NO_PYTHON),
    "cuda-cluster-resource": (NAMES, NO_PYTHON),
}

JUDGED = [rule for rule in RULES if EXEMPT.get(rule, ((), ""))[0] != HEADINGS]


def page_of(rule: str) -> Path:
    """The literate page of a rule, in the folder of its family."""
    return TESTS / "rules" / RULES[rule].module.split(".")[2] / f"{rule}.md"


def cases_of(rule: str) -> dict[str, list[Case]]:
    found: dict[str, list[Case]] = {}
    for case in parse(page_of(rule).read_text(encoding="utf-8")):
        if case.heading:
            found.setdefault(case.heading[0], []).append(case)
    return found


def test_codes_and_names_are_those_of_the_architecture() -> None:
    table = re.findall(r"^\| (PRT\d{3}) \| ([a-z0-9-]+) \|", ARCHITECTURE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted((rule.code, rule.name) for rule in RULES.values()) == sorted(table)


def test_rows_name_rules() -> None:
    strays = {(row.name, row.rule) for row in catalog.load().rows() if row.rule not in RULES}
    assert not strays


@pytest.mark.parametrize("rule", RULES)
def test_the_docstring_is_a_page(rule: str) -> None:
    page = sys.modules[RULES[rule].module].__doc__ or ""
    assert page.strip(), "a rule's module begins with its documentation"
    sections = FILE_SECTIONS if RULES[rule].family == "0" else SECTIONS
    missing = [section for section in sections if f"## {section}\n" not in page]
    assert not missing


@pytest.mark.parametrize("rule", JUDGED)
def test_a_rule_has_cases_for_what_trips_rules_up(rule: str) -> None:
    assert page_of(rule).exists(), f"{page_of(rule).relative_to(TESTS)} is missing"
    cases = cases_of(rule)
    exempt = EXEMPT.get(rule, ((), ""))[0]
    assert [h for h in HEADINGS if h not in cases and h not in exempt] == [], "headings without a case"
    assert [h for h in exempt if h in cases] == [], "exempt, and yet there"


@pytest.mark.parametrize("rule", JUDGED)
def test_hits_are_hits_and_near_misses_are_not(rule: str) -> None:
    cases = cases_of(rule)
    for heading, wanted in {"Hit": True, "Near miss": False}.items():
        marked = any(e.rule == rule for case in cases.get(heading, ()) for file in case.files for e in file.expected)
        assert marked == wanted, f"{heading}: {'no' if wanted else 'a'} line is marked with {rule}"
