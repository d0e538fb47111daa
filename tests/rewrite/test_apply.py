"""Which fixes go together, and what becomes of the bytes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from porter.model import Finding, Verdict
from porter.rewrite.apply import Result, apply, prove
from tests.rewrite.helpers import finding, source_of


def run(text: str, *findings: Finding, groups: list[str | None] | None = None, safe_only: bool = False) -> Result:
    source = source_of(text.encode(), "requirements")
    return apply(source, findings, groups or [None] * len(findings), safe_only=safe_only)


def test_equal_edits_count_once() -> None:
    shared = (0, 1, "X")
    result = run("abc", finding([shared, (1, 2, "Y")]), finding([shared, (2, 3, "Z")]))
    assert (result.after, len(result.applied), result.dropped) == (b"XYZ", 2, [])


def test_the_later_of_two_that_overlap_is_dropped_whole() -> None:
    first, second = finding([(0, 2, "X")], line=7), finding([(1, 3, "Y"), (4, 5, "Z")])
    result = run("abcde", second, first)
    assert result.after == b"Xcde"
    assert result.dropped == [(second, "overlaps the fix of line 7")]


def test_what_lost_to_a_dropped_fix_is_applied() -> None:
    a, b, c = finding([(0, 2, "A")]), finding([(1, 4, "B")]), finding([(3, 5, "C")])
    assert run("abcde", a, b, c).after == b"AcC"


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ([(1, 3, ""), (2, 4, "")], "ae"),
        ([(1, 4, ""), (2, 3, "X")], "ae"),
        ([(1, 4, ""), (2, 2, "X")], "ae"),
        ([(1, 4, ""), (1, 2, "X")], "ae"),
        ([(1, 4, ""), (3, 4, "X")], "ae"),
        ([(1, 4, ""), (1, 1, "X")], "aXe"),
        ([(1, 4, ""), (4, 4, "X")], "aXe"),
        ([(1, 2, "X"), (1, 1, "<"), (2, 2, ">")], "a<X>cde"),
        ([(1, 2, "X"), (2, 3, "Y")], "aXYde"),
    ],
)
def test_edits_that_get_along(edits: list[tuple[int, int, str]], expected: str) -> None:
    result = run("abcde", *(finding([edit]) for edit in edits))
    assert (result.after.decode(), result.dropped) == (expected, [])


@pytest.mark.parametrize(
    "edits",
    [
        [(1, 3, "X"), (2, 4, "Y")],
        [(1, 3, "X"), (1, 3, "Y")],
        [(1, 3, "X"), (1, 4, "Y")],
        [(1, 4, "X"), (2, 3, "")],
        [(1, 1, "X"), (1, 1, "Y")],
        [(1, 4, "X"), (2, 2, "Y")],
        [(1, 3, ""), (2, 4, "Y")],
    ],
)
def test_edits_that_do_not(edits: list[tuple[int, int, str]]) -> None:
    assert len(run("abcde", *(finding([edit]) for edit in edits)).dropped) == 1
    assert run("abcde", finding(edits)).after == b"abcde"  # nor within one fix


def test_groups_are_all_or_nothing() -> None:
    a, b, c = finding([(0, 1, "A")]), finding([(1, 2, "B")]), finding([(1, 3, "C")])
    assert run("abc", a, b, c, groups=["g", None, "g"]).after == b"AC"
    manual = finding(verdict=Verdict.MANUAL, line=9)
    result = run("abc", a, manual, groups=["g", "g"])
    assert (result.after, result.dropped) == (b"abc", [(a, "changes together with line 9, which needs a person")])


def test_safe_only_leaves_review_and_what_depends_on_it() -> None:
    safe, review = finding([(0, 1, "A")]), finding([(1, 2, "B")], verdict=Verdict.REVIEW, line=3)
    assert run("abc", safe, review, safe_only=True).after == b"Abc"
    result = run("abc", safe, review, groups=["g", "g"], safe_only=True)
    assert (result.after, result.dropped) == (b"abc", [(safe, "changes together with line 3, which needs review")])


def test_a_result_that_does_not_parse_leaves_the_file() -> None:
    source = source_of(b"x = 1\n")
    broken = finding([(4, 5, "(")])
    result = apply(source, [broken], [None])
    assert result.after == source.raw
    assert "would not parse" in result.dropped[0][1]
    assert result.problems[0].message.startswith("PRT002")


@pytest.mark.parametrize(
    "raw",
    [
        b"\xef\xbb\xbfx = 'cuda'\r\ny = 2\r\n",
        "# -*- coding: latin-1 -*-\nx = 'é cuda'\n".encode("latin-1"),
        b"x = 'cuda'",
        b"x = 'cuda'\ry = 1\r",
    ],
)
def test_encoding_mark_and_line_ends_stay(raw: bytes) -> None:
    source = source_of(raw)
    at = source.text.index(b"cuda")
    edit = source.to_disk(at, at + 4, "neuron")
    assert edit is not None
    result = apply(source, [finding([(edit.start, edit.end, edit.text)])], [None])
    assert result.after == raw.replace(b"cuda", b"neuron")


def notebook(*cells: str) -> bytes:
    made = [{"cell_type": "code", "source": cell.splitlines(keepends=True), "outputs": []} for cell in cells]
    return json.dumps({"cells": made, "nbformat": 4, "nbformat_minor": 5}, indent=1).encode()


def test_notebooks_are_proved_cell_by_cell() -> None:
    raw = notebook("%pip install x\nx = 'cuda'\n", "y = 1")
    source = source_of(raw, "notebook")
    at = source.text.index(b"cuda")
    edit = source.to_disk(at, at + 4, "neuron")
    assert edit is not None
    good = apply(source, [finding([(edit.start, edit.end, edit.text)])], [None])
    assert good.after == raw.replace(b"cuda", b"neuron")
    assert prove(source, raw.replace(b"y = 1", b"y = (")) is not None
    assert prove(source, raw[:-1]) is not None


@st.composite
def edit_sets(draw: st.DrawFn) -> tuple[bytes, list[tuple[int, int, str]]]:
    """A text and edits of it that do not touch."""
    text = draw(st.text(alphabet="ab\n", max_size=40)).encode()
    points = sorted(draw(st.sets(st.integers(0, len(text)), max_size=12)))
    pairs = list(zip(points[::2], points[1::2], strict=False))
    return text, [(start, end, draw(st.text(alphabet="xé\n", max_size=3))) for start, end in pairs]


@settings(max_examples=200, deadline=None)
@given(edit_sets(), st.randoms())
def test_any_set_of_edits_is_applied_as_if_one_by_one(
    case: tuple[bytes, list[tuple[int, int, str]]], random: object
) -> None:
    text, edits = case
    expected = text
    for start, end, new in reversed(edits):
        expected = expected[:start] + new.encode() + expected[end:]
    shuffled = list(edits)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    result = apply(source_of(text, "requirements"), [finding([edit]) for edit in shuffled], [None] * len(edits))
    assert (result.after, result.dropped) == (expected, [])


_SPANS = st.tuples(st.integers(0, 12), st.integers(0, 12), st.sampled_from(["", "x", "yz"]))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.lists(_SPANS, min_size=1, max_size=3), st.sampled_from([None, "g", "h"])), max_size=6))
def test_whatever_overlaps_the_result_is_consistent(fixes: list[tuple[list[tuple[int, int, str]], str | None]]) -> None:
    text = b"abcdefghijkl"
    made = [finding([(min(a, b), max(a, b), new) for a, b, new in spans]) for spans, _ in fixes]
    groups = [group for _, group in fixes]
    result = apply(source_of(text, "requirements"), made, groups)
    assert len(result.applied) + len(result.dropped) == len(made)
    for group in {g for g in groups if g}:
        members = [f for f, g in zip(made, groups, strict=True) if g == group]
        assert len({any(f is done for done in result.applied) for f in members}) == 1
    ends = [0, *(e.end for e in result.changes)]
    assert all(e.start >= end for e, end in zip(result.changes, ends, strict=False))
    gone = {at for e in result.changes for at in range(e.start, e.end)}
    for done in result.applied:  # what an applied fix replaces is gone
        assert done.fix is not None
        assert all(at in gone for e in done.fix.edits for at in range(e.start, e.end))
