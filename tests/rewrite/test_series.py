"""Pieces of a rewrite, and series of patches: in order they amount to all of it, and leave files whole on the way."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from porter import engine
from porter.config import load
from porter.engine import FileChange
from porter.model import Verdict
from porter.rewrite.apply import apply
from porter.rewrite.patch import Change, between, carried, splice, unified
from porter.rewrite.pieces import Divided, changes_of, pieces
from porter.rewrite.series import SPLITS, file_names, series, whole
from porter.rewrite.units import Unit, composed, flattened
from tests.ecosystem.invariants import working_in
from tests.rewrite.helpers import finding, source_of

ROOT = Path(__file__).parents[2]


def divided(before: bytes, *fixes: Sequence[tuple[int, int, str]], codes: Sequence[str] = ()) -> Divided:
    """A file in the pieces of these fixes."""
    found = [finding(edits, code=code) for edits, code in zip(fixes, codes or ["PRT201"] * len(fixes), strict=True)]
    result = apply(source_of(before), found, [None] * len(found))
    assert not result.dropped
    return Divided("m.py", before, pieces(before, result.units))


def states(file: Divided, by: str) -> list[bytes]:
    """The file after each patch of a series."""
    text, found = file.before, []
    for patch in series([file], by):
        (part,) = patch.parts
        assert part.before == text
        text = splice(text, part.changes)
        found.append(text)
    return found


# -- pieces ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fixes", "count"),
    [
        ([[(0, 1, "x")], [(4, 5, "y")]], 1),  # one line
        ([[(0, 1, "x")], [(6, 7, "y")]], 2),
        ([[(0, 1, "x")], [(4, 9, "y\nz")], [(8, 9, "y")]], 1),
        ([[(0, 0, "import m\n"), (0, 1, "x")], [(0, 0, "import m\n"), (6, 7, "y")]], 2),  # an import for both
        ([[(0, 1, "x")], [(5, 5, "\nimport m")]], 2),
        ([[(0, 1, "x")], [(5, 5, " ")]], 1),
        ([[(0, 1, "x"), (12, 13, "z")], [(6, 7, "y"), (16, 17, "q")], [(14, 15, "t")]], 1),
    ],
)
def test_what_changes_a_line_in_two_ways_is_one_piece(fixes: list[list[tuple[int, int, str]]], count: int) -> None:
    before = b"a = 1\nb = 2\nc = 3\n"
    units = [
        Unit((finding(edits),), (edits[0][0],), tuple(Change(a, b, new.encode()) for a, b, new in edits))
        for edits in fixes
    ]
    found = pieces(before, units)
    assert len(found) == count
    assert changes_of(found) == flattened(units)


def test_a_piece_is_named_for_what_asks_for_most_care() -> None:
    units = [
        Unit((finding([(0, 1, "x")]),), (0,), (Change(0, 1, b"x"),)),
        Unit((finding([(4, 5, "y")], verdict=Verdict.REVIEW, code="PRT304"),), (4,), (Change(4, 5, b"y"),)),
    ]
    (piece,) = pieces(b"a = 1\n", units)
    assert piece.lead is units[1].findings[0]


# -- what lies between, and what comes after ----------------------------------------------------


def drawn(draw: st.DrawFn, size: int) -> tuple[Change, ...]:
    points = sorted(draw(st.lists(st.integers(0, size), max_size=8)))
    news = st.sampled_from([b"", b"x", b"yy\n", b"zzzzzz"])
    return tuple(Change(a, b, draw(news)) for a, b in zip(points[::2], points[1::2], strict=False))


BEFORE = b"0123456789abcdefghij"


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_between_leads_from_one_to_the_other(data: st.DataObject) -> None:
    one, other = (data.draw(st.composite(drawn)(len(BEFORE))) for _ in range(2))
    assert splice(splice(BEFORE, one), between(BEFORE, one, other)) == splice(BEFORE, other)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_byte_that_stays_is_found_again(data: st.DataObject) -> None:
    changes = data.draw(st.composite(drawn)(len(BEFORE)))
    after = splice(BEFORE, changes)
    for place in range(len(BEFORE)):
        if not any(c.start <= place < c.end for c in changes):
            assert after[carried(place, changes)] == BEFORE[place]


def shared_out(data: st.DataObject, changes: Sequence[Change]) -> list[Unit]:
    """Changes as units, some of which share one."""
    owners = [data.draw(st.sets(st.integers(0, 3), min_size=1, max_size=2)) for _ in changes]
    mine = [tuple(c for c, some in zip(changes, owners, strict=True) if n in some) for n in range(4)]
    return [Unit((finding([(0, 1, "x")], line=n),), (own[0].start,), own) for n, own in enumerate(mine) if own]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_units_of_two_rounds_are_units(data: st.DataObject) -> None:
    first = shared_out(data, data.draw(st.composite(drawn)(len(BEFORE))))
    middle = splice(BEFORE, flattened(first))
    second = shared_out(data, data.draw(st.composite(drawn)(len(middle))))
    both = composed(BEFORE, first, second)
    assert splice(BEFORE, flattened(both)) == splice(middle, flattened(second))
    assert sorted(f.line for u in both for f in u.findings) == sorted(
        f.line for u in [*first, *second] for f in u.findings
    )
    assert all(len(unit.places) == len(unit.findings) for unit in both)
    assert all(0 <= place <= len(BEFORE) for unit in both for place in unit.places)


def test_a_second_round_joins_what_it_touches_alone() -> None:
    first = [Unit((finding(line=n),), (at,), (Change(at, at + 1, b"xyz"),)) for n, at in enumerate((2, 10))]
    second = [Unit((finding(line=n),), (at,), (Change(at, at + 1, b"-"),)) for n, at in enumerate((3, 17), 2)]
    both = composed(BEFORE, first, second)
    assert [([f.line for f in unit.findings], unit.changes) for unit in both] == [
        ([0, 2], (Change(2, 3, b"x-z"),)),
        ([1], (Change(10, 11, b"xyz"),)),
        ([3], (Change(13, 14, b"-"),)),
    ]


# -- series ------------------------------------------------------------------------------------


def test_what_would_break_a_file_waits() -> None:
    file = divided(b"x = 1 + \\\n2\n", [(4, 4, "(")], [(10, 11, "3)")], codes=["PRT101", "PRT102"])
    assert len(file.pieces) == 2
    assert states(file, "rule") == [b"x = (1 + \\\n3)\n"]


def test_names_sort_as_the_patches_apply() -> None:
    codes = [f"PRT{n}" for n in range(101, 112)]
    before = b"".join(b"x%d = 1\n" % (n % 10) for n in range(11))
    file = divided(before, *([(7 * n, 7 * n + 1, "y")] for n in range(11)), codes=codes)
    names = file_names(series([file], "rule"))
    assert names[0] == "01-PRT101-n.patch"
    assert names == sorted(names)
    assert len(states(file, "rule")) == 11
    odd = Divided("../a b/é%.py", file.before, file.pieces)
    assert file_names(series([odd], "file")) == ["01-a-b-é-.py.patch"]


def test_verdicts_come_in_the_order_of_trust() -> None:
    before = b"a = 1\nb = 2\nc = 3\n"
    found = [
        finding([(0, 1, "x")], verdict=Verdict.REVIEW),
        finding([(6, 7, "y")]),
        finding(verdict=Verdict.MANUAL, line=3),
    ]
    result = apply(source_of(before), found, [None] * 3, annotate=True)
    new = Divided("new.py", b"", pieces(b"", [Unit((), (), (Change(0, 0, b"x = 1\n"),))]), created=True)
    patches = series([Divided("m.py", before, pieces(before, result.units)), new], "verdict")
    assert [patch.label for patch in patches] == ["helper", "auto", "review", "comments"]
    assert [part.created for patch in patches for part in patch.parts] == [True, False, False, False]


def test_a_file_that_is_new_is_made_by_git(tmp_path: Path) -> None:
    for path, content in (("helper.py", b"x = 1\n"), ("with blank/a b.py", b"y"), ("empty.py", b"")):
        changes = [Change(0, 0, content)] if content else []
        patch = unified(path, b"", changes, created=True)
        subprocess.run(["git", "apply", "-"], input=patch, cwd=tmp_path, check=True)
        assert (tmp_path / path).read_bytes() == content
        subprocess.run(["git", "apply", "--reverse", "-"], input=patch, cwd=tmp_path, check=True)
        assert not (tmp_path / path).exists()


def example(name: str, target: str) -> list[FileChange]:
    with working_in(ROOT / "examples" / name / "original"):
        found = engine.rewrite(["."], load(isolated=True, overrides={"target": target, "cache": False}), annotate=True)
    return [file for file in found.files if file.changes]


def parses(text: bytes) -> bool:
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


@pytest.mark.parametrize("by", SPLITS)
@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "examples").iterdir() if path.is_dir()))
def test_examples_patch_by_patch(name: str, by: str, tmp_path: Path) -> None:
    changed = example(name, "neuron")
    files = [Divided(file.path, file.before, pieces(file.before, file.units)) for file in changed]
    for file in changed:
        (tmp_path / file.path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file.path).write_bytes(file.before)
    patches = series(files, by)
    assert len(patches) > 1
    for patch in patches:
        text = b"".join(unified(part.file.path, part.before, part.changes) for part in patch.parts)
        subprocess.run(["git", "apply", "-"], input=text, cwd=tmp_path, check=True)
        assert all(parses((tmp_path / part.file.path).read_bytes()) for part in patch.parts if ".py" in part.file.path)
    assert all((tmp_path / file.path).read_bytes() == file.after for file in changed)
    alone = b"".join(unified(part.file.path, part.before, part.changes) for part in whole(files).parts)
    assert alone == b"".join(unified(file.path, file.before, file.changes) for file in changed)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_series_amounts_to_the_whole(data: st.DataObject) -> None:
    before = b"a = 1\nb = 2\nc = 3\nd = 4\n"
    units = shared_out(data, data.draw(st.composite(drawn)(len(before))))
    file = Divided("m.py", before, pieces(before, units))
    for by in SPLITS:
        assert (states(file, by) or [before])[-1] == splice(before, flattened(units))
