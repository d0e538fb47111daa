"""The benchmark's own parts: figures become tables and a plot, and the page shows those of the last run."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from xml.etree import ElementTree

import msgspec
import pytest

from tests.benchmarks import page, simulate
from tests.benchmarks.contenders import NAMES, REFERENCE, WORDS, banned, rule
from tests.benchmarks.cost import Cost
from tests.benchmarks.measure import Figure
from tests.benchmarks.page import Measured
from tests.benchmarks.plot import APART, BOTTOM, COLOURS, axis, draw, spread
from tests.benchmarks.trees import TREES
from tests.ecosystem.projects import load

FIGURES = [
    Figure("1 k", 1000, REFERENCE, Cost(0.5, 0.4, 30.0), 7),
    Figure("1 k", 1000, "porter check, cold", Cost(1.25, 1.3, 40.4), 1234),
    Figure("10 k", 10_000, REFERENCE, Cost(2.0, 1.0, 35.0), 70),
    Figure("10 k", 10_000, "porter check, cold", Cost(6.0, 6.0, 41.0), 12345),
    Figure("10 k", 10_000, "TorchFix", None),
]


def test_a_row_has_ratio_and_share() -> None:
    *_, row = page.table(FIGURES[:2])
    assert row == "| porter check, cold | 1.25 | 2.50 | 125.00 | 1.30 | 40 | 1,234 |"


def test_ratios_are_to_the_reference_on_the_same_tree() -> None:
    text = page.checks(Measured("a machine", FIGURES))
    assert re.findall(r"porter check, cold \| [\d.]+ \| ([\d.]+)", text) == ["2.50", "3.00"]
    assert "**10 k**: 10,000 lines" in text


def test_what_was_left_out_is_said() -> None:
    assert "| TorchFix | left out" in page.checks(Measured("a machine", FIGURES))


def test_without_the_reference_there_are_no_ratios() -> None:
    *_, row = page.table(FIGURES[1:2])
    assert row.split(" | ")[2] == "-"


def test_a_part_of_the_page_is_replaced_and_nothing_else() -> None:
    text = "a\n<!-- table: x -->\nold\n<!-- end -->\nb\n<!-- table: y -->\n<!-- end -->\n"
    once = page.put(text, "x", "new")
    assert once == "a\n<!-- table: x -->\n\nnew\n\n<!-- end -->\nb\n<!-- table: y -->\n<!-- end -->\n"
    assert page.put(once, "x", "new") == once
    with pytest.raises(LookupError):
        page.put(text, "z", "new")


def test_the_page_shows_what_was_measured() -> None:
    measured = msgspec.json.decode(page.MEASURED.read_bytes(), type=Measured)
    text = page.PAGE.read_text(encoding="utf-8")
    assert page.put(text, "checks", page.checks(measured)) == text, "python -m tests.benchmarks --render"
    assert page.PLOT.read_text(encoding="utf-8") == draw(measured.figures), "python -m tests.benchmarks --render"
    assert [figure.tree for figure in measured.figures if figure.contender == REFERENCE] == [t.name for t in TREES]


def test_the_plot_has_a_line_and_a_label_for_each() -> None:
    root = ElementTree.fromstring(draw(FIGURES))
    names = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {REFERENCE, "porter check, cold"} <= names
    assert "TorchFix" not in names
    lines = [line.get("points", "") for line in root.iter("{http://www.w3.org/2000/svg}polyline")]
    assert [len(line.split()) for line in lines] == [2, 2]
    heights = [[float(point.split(",")[1]) for point in line.split()] for line in lines]
    assert all(first > last for first, last in heights)  # more lines take longer, and stand higher


def test_axes_are_whole_decades() -> None:
    found = axis([30, 4000], 0, 300)
    assert (found.low, found.high) == (1, 4)
    assert [round(found.at(value)) for value in (10, 100, 1000, 10_000)] == [0, 100, 200, 300]
    assert axis([10, 10], 0, 1).high == 2


def test_labels_keep_apart_and_in_order() -> None:
    found = spread({"a": 430.0, "b": 100.0, "c": 439.0, "d": 440.0})
    places = sorted(found.values())
    assert all(below - above >= APART - 1e-9 for above, below in pairwise(places))
    assert places[-1] <= BOTTOM
    assert sorted(found, key=lambda name: found[name]) == ["b", "a", "c", "d"]


def test_peers_are_asked_for_the_same() -> None:
    options = banned()
    assert [re.search(r'"(.+?)"', option)[1] for option in options[1::2]] == list(NAMES)  # type: ignore[index]
    (names, texts) = [e for e in [json.loads(rule())["rule"]["any"]] for e in (e[:-1], e[-1])]
    assert {entry["pattern"] for entry in names} >= set(NAMES)
    assert texts["regex"] == WORDS


def test_trees_are_of_pinned_projects() -> None:
    for tree in TREES:
        assert load(list(tree.projects))
    assert "porter check, cold" in COLOURS


def test_the_page_has_the_simulated_devices_tables() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    _, _, rest = text.partition("<!-- table: simulated device -->")
    shown = rest.partition("<!-- end -->")[0]
    assert [name for name in simulate.OPERATORS if f"| {name} |" not in shown] == []
    assert [width for width in simulate.SIZES if f"| d_model {width}, " not in shown] == []
