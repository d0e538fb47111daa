"""The pages of `porter explain`, in Markdown and as plain data: what a rule is, what a CUDA symbol becomes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from inspect import cleandoc
from typing import Any

import msgspec

from porter.catalog import Answer, Catalogue, Row
from porter.index.site import KINDS
from porter.model import TARGETS, Evidence, Verdict
from porter.report.cases import Cases, section
from porter.report.lookup import placeless
from porter.report.words import MEANINGS, first_sentence
from porter.rules.base import FAMILIES, Rule
from porter.rules.table import sentence

EVIDENCE = {
    Evidence.A: "vendor documentation, or code shipped by AWS, Hugging Face or PyTorch",
    Evidence.B: "source of the native backend before its beta",
    Evidence.C: "third-party report",
    Evidence.D: "inference from general PyTorch or NVIDIA knowledge; never rewritten as equal",
}

MOST_NAMES = 8  # of those that a row answers alike


def rule_page(
    rule: Rule, rows: Sequence[Row], cases: Cases | None = None, link: Callable[[Row], str] | None = None
) -> str:
    """A rule: its documentation, what it makes of each construct that it judges, and cases from porter's tests.

    ``link`` gives the address of a row's own page.
    """
    lines = [f"# {rule.code} {rule.name}", "", f"Family: {FAMILIES[rule.family]}.{_on_request(rule)}", ""]
    lines += [documentation(rule), ""]
    if rows:
        titles = ("Name", *TARGETS)
        lines += ["## What it covers", "", *_table(titles, (_verdicts(row, link) for row in rows)), ""]
    lines += section(cases) if cases else ()
    return "\n".join(lines)


def rules_page(rules: Sequence[Rule], link: Callable[[Rule], str] | None = None) -> str:
    """All rules, family by family. ``link`` gives the address of a rule's own page."""
    lines = ["# Rules", ""]
    for digit, family in FAMILIES.items():
        members = [rule for rule in rules if rule.family == digit]
        if members:
            lines += [f"## {family}", ""]
            for rule in members:
                name = f"[{rule.name}]({link(rule)})" if link else rule.name
                lines.append(f"- {rule.code} {name}: {gist(rule)}{_on_request(rule)}")
            lines += [""]
    return "\n".join(lines)


def row_page(row: Row, word: str, catalogue: Catalogue, rules: Sequence[Rule]) -> str:
    """A row: what the construct does on CUDA, and every target's answer with its evidence."""
    code = next((rule.code + " " for rule in rules if rule.name == row.rule), "")
    what = KINDS.get(row.kind, "known to people, found by no rule").partition(":")[0]
    by = next((name for name in (*row.also, *row.distributions, row.name) if _covers(name, word)), row.name)
    lines = [f"# {placeless(row.name) if by == row.name and not by.endswith('*') else word}", ""]
    if by.endswith("*"):
        lines += [f"`{word}` has no row of its own: this one answers for all of `{by}`.", ""]
    reported = "Belongs to" if row.kind == "idiom" else "Reported by"
    lines += [f"{sentence(row.summary)} {reported} {code}{row.rule}.", "", f"Kind: {what}.", ""]
    if row.also:
        lines += [f"Answered alike: {_names((row.name, *row.also))}.", ""]
    if row.distributions:
        lines += [f"Installed by: {_names(row.distributions)}.", ""]
    lines += _table(("Target", "Verdict", "Write instead", "Evidence"), (_overview(row, target) for target in TARGETS))
    for target in TARGETS:
        lines += ["", *_answer(answer_of(row, target), target, catalogue.checked(row, target), catalogue)]
    return "\n".join(lines) + "\n"


def unknown_page(word: str, near: Sequence[str]) -> str:
    """What porter says of a name that it does not know."""
    return f"# {word}\n\nNot in porter's catalogue: neither rewritten nor judged, on no target.\n\n{near_names(near)}"


def near_names(names: Sequence[str]) -> str:
    """Names that the reader may have meant; empty without any."""
    return "Do you mean one of these?\n\n" + "".join(f"- `{name}`\n" for name in names) if names else ""


def answer_of(row: Row, target: str) -> Answer:
    """The row's answer for a target."""
    answer: Answer = getattr(row, target)
    return answer


def rule_data(rule: Rule, rows: Sequence[Row]) -> dict[str, Any]:
    """A rule as plain data."""
    return {
        "code": rule.code,
        "name": rule.name,
        "family": FAMILIES[rule.family],
        "default": rule.default,
        "documentation": documentation(rule),
        "covers": [{"kind": row.kind, "name": row.name} for row in rows],
    }


def row_data(row: Row, catalogue: Catalogue) -> dict[str, Any]:
    """A row as plain data, its sources spelled out."""
    data: dict[str, Any] = msgspec.to_builtins(row)
    for target in TARGETS:
        answer = answer_of(row, target)
        data[target]["evidence"] = answer.evidence
        data[target]["checked"] = catalogue.checked(row, target)
        data[target]["source"] = [catalogue.sources.get(key, key) for key in answer.source]
    return data


def _answer(answer: Answer, target: str, checked: str, catalogue: Catalogue) -> Iterator[str]:
    yield f"## {target}: {answer.verdict}"
    yield ""
    yield sentence(answer.advice or MEANINGS[answer.verdict])
    if answer.note:
        yield ""
        yield sentence(answer.note)
    if answer.verdict is Verdict.UNKNOWN:
        return
    yield ""
    against = f" Checked against {checked}." if checked else ""
    yield f"Evidence {answer.evidence}: {EVIDENCE[answer.evidence]}.{against}"
    if answer.source:
        yield ""
        yield from (f"- {catalogue.sources.get(key, key)}" for key in answer.source)


def _overview(row: Row, target: str) -> tuple[str, ...]:
    answer = answer_of(row, target)
    replacement = f"`{answer.replacement}`" if answer.replacement else "-"
    known = answer.verdict is not Verdict.UNKNOWN
    return target, str(answer.verdict), replacement, str(answer.evidence) if known else "-"


def _covers(name: str, word: str) -> bool:
    return name == word or (name.endswith("*") and word.startswith(name[:-1]))


def _names(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(f"`{placeless(name)}`" for name in names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _verdicts(row: Row, link: Callable[[Row], str] | None) -> tuple[str, ...]:
    name = f"`{placeless(row.name)}`"
    return (f"[{name}]({link(row)})" if link else name, *(str(answer_of(row, target).verdict) for target in TARGETS))


def _table(titles: Sequence[str], rows: Iterator[tuple[str, ...]]) -> list[str]:
    body = [titles, ["---"] * len(titles), *rows]
    return [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in body]


def documentation(rule: Rule) -> str:
    """The page that the rule's module begins with."""
    return cleandoc(sys.modules[rule.module].__doc__ or "")


def gist(rule: Rule) -> str:
    """A rule in a sentence."""
    return first_sentence(" ".join(documentation(rule).partition("\n\n")[0].split()))


def _on_request(rule: Rule) -> str:
    return "" if rule.default else f" On request only: `--extend-select {rule.code}`."
