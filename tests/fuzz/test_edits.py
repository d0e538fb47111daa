"""Where edits are: in their statement, or where a rule says that it goes further; and no stranger moves them."""

from __future__ import annotations

import ast
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from porter import engine
from porter.model import Edit, Finding
from tests.fuzz import grammar, pool
from tests.fuzz.check import TARGETS, rewrite
from tests.fuzz.check import settings as porters
from tests.fuzz.test_programs import SMALL

# Rules that change the shape of what is around a use, and what of it.
FURTHER = {
    "PRT104": "an `if` that guards nothing any more",
    "PRT105": "a tensor type that a flag chooses, and what is made of it",
    "PRT106": "an `if` that guards nothing any more",
    "PRT108": "an `if` that guards nothing any more, and the flag that holds the answer",
    "PRT109": "an `if` that guards nothing any more",
    "PRT201": "an `if` that guards nothing any more",
    "PRT202": "an `if` that guards nothing any more",
    "PRT204": "capture and replay of a graph",
    "PRT205": "ranges that are opened in one statement and closed in another",
    "PRT208": "the test for a name and its use",
    "PRT302": "a generator and what draws from it",
    "PRT303": "the name that autocast is given, and the `with` that enters it",
    "PRT308": "Apex's mixed precision, and what computes the losses",
    "PRT504": "the order of device and process group",
    "PRT507": "a wrapper and what goes through it",
    "PRT605": "a context that goes, and what it held",
    "PRT701": "an import that goes, with what tried it",
}
IMPORTS = (ast.Import, ast.ImportFrom)


class Head(NamedTuple):
    """The lines of a simple statement, or of what a compound one has before its body."""

    first: int
    last: int
    imports: bool


def heads(text: str) -> list[Head]:
    """The statements of a program; raises SyntaxError."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.stmt, ast.ExceptHandler)):
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
            body = getattr(node, "body", None)
            last = max(first, body[0].lineno) if isinstance(body, list) else node.end_lineno or first
            found.append(Head(first, last, isinstance(node, IMPORTS)))
    return found


def at(known: list[Head], first: int, last: int) -> Head | None:
    """The innermost statement that holds these lines."""
    return max(
        (h for h in known if h.first <= first and last <= h.last), key=lambda h: (h.first, -h.last), default=None
    )


def strays(name: str, text: str, target: str) -> Iterator[str]:
    """Edits that are neither in their finding's statement, nor in an import, nor new lines."""
    raw = text.encode()
    known, starts = heads(text), list(accumulate(map(len, raw.splitlines(keepends=True)), initial=0))
    for finding in engine.run((), porters(target), stdin=(name, raw)).findings:
        for edit in finding.fix.edits if finding.fix else ():
            behind = edit.start + len(raw[edit.start : edit.end].rstrip())  # blank lines go with what they followed
            first, last = bisect_right(starts, edit.start), bisect_right(starts, max(edit.start, behind - 1))
            own, there = at(known, finding.line, finding.line), at(known, first, last)
            if there != own and edit.start < edit.end and not (there and there.imports) and finding.code not in FURTHER:
                yield f"{finding.code} of line {finding.line} edits line {first}: {edit}"


def test_edits_of_the_cases_are_in_their_statements() -> None:
    for file in pool.files():
        if file.path.endswith(".py"):
            for target in TARGETS:
                try:
                    assert list(strays(file.path, file.text, target)) == [], file.text
                except SyntaxError:
                    continue


@SMALL
@given(grammar.programs, st.sampled_from(TARGETS))
def test_edits_are_in_their_statements(text: str, target: str) -> None:
    try:
        assert list(strays("case.py", text, target)) == []
    except SyntaxError:
        return


cases = st.sampled_from([file.text for file in pool.files() if file.path == "case.py"])
whole = st.one_of(cases, cases, grammar.programs)


@settings(SMALL, max_examples=200)
@given(whole, grammar.unrelated, st.sampled_from(TARGETS))
def test_code_below_changes_nothing_above(text: str, more: str, target: str) -> None:
    assume(grammar.parses(text))
    text = text if text.endswith("\n") else text + "\n"
    plain = rewrite("case.py", text.encode(), target)
    above, below = text.encode(), more.encode()
    longer = rewrite("case.py", above + below, target)
    assert (longer.after if longer else above + below) == (plain.after if plain else above) + below


@settings(SMALL, max_examples=200)
@given(whole, grammar.plain, st.sampled_from(TARGETS))
def test_code_above_moves_all_that_is_below(text: str, more: str, target: str) -> None:
    assume(grammar.parses(text))
    plain, moved = found(text, target), found(more + text, target)
    lines, size = more.count("\n"), len(more.encode())
    assert [(f.code, f.line + lines, f.column, f.verdict) for f in plain] == [
        (f.code, f.line, f.column, f.verdict) for f in moved
    ]
    assert [replaced(f, size) for f in plain] == [replaced(f, 0) for f in moved]


def found(text: str, target: str) -> list[Finding]:
    """What is found in a program."""
    return engine.run((), porters(target), stdin=("case.py", text.encode())).findings


def replaced(finding: Finding, by: int) -> set[Edit]:
    """The finding's edits, further on; what is new as a whole stands where the file has room for it."""
    edits = finding.fix.edits if finding.fix else ()
    return {Edit(edit.start + by, edit.end + by, edit.text) for edit in edits if edit.start < edit.end}
