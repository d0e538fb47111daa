"""The scan report: its numbers, its estimate, and how it looks."""

from __future__ import annotations

import re

import msgspec
import pytest
from syrupy.assertion import SnapshotAssertion

from porter.config import Settings
from porter.model import Effort, Finding, Problem, Verdict
from porter.report import markdown, scan_json, terminal
from porter.report.effort import DAY, HOUR, Span, estimate
from porter.report.scan import headline
from porter.report.summary import summarise
from porter.report.words import percent
from tests.cli.sample import finding, report, view

SCALED = "Call `scaled_dot_product_attention`: the backend lowers it to a flash attention kernel of its own."


def use(path: str, verdict: Verdict, code: str = "PRT101", symbol: str = "cuda", advice: str = "") -> Finding:
    edits = [("x", "y")] if verdict in (Verdict.AUTO, Verdict.REVIEW) else []
    return finding(path, "x\n", "x", *edits, code=code, verdict=verdict, symbol=symbol, advice=advice)


def port() -> list[Finding]:
    """A small repository with a bit of everything."""
    return [
        *[use("src/train.py", Verdict.AUTO) for _ in range(12)],
        *[use("src/model.py", Verdict.AUTO) for _ in range(3)],
        *[
            use("src/train.py", Verdict.REVIEW, "PRT303", "torch.autocast", "Compare the loss: this is bfloat16 now.")
            for _ in range(4)
        ],
        use("src/train.py", Verdict.MANUAL, "PRT502", "torch.nn.DataParallel", "Start one process per device."),
        use("src/data.py", Verdict.MANUAL, "PRT203", "torch.cuda.Stream", "Drop the stream."),
        use("src/data.py", Verdict.MANUAL, "PRT203", "torch.cuda.Event", "Drop the stream."),
        *[use("src/model.py", Verdict.BLOCKED, "PRT704", "flash_attn.flash_attn_func", SCALED) for _ in range(2)],
        use("src/data.py", Verdict.UNKNOWN, "PRT209", "torch.cuda.frobnicate"),
        use("src/data.py", Verdict.PORTABLE, "PRT203", "torch.cuda.Stream"),
        use("tests/test_model.py", Verdict.AUTO),
        use("tests/test_model.py", Verdict.BLOCKED, "PRT704", "flash_attn.flash_attn_func", SCALED),
    ]


def summary(findings: list[Finding]):  # type: ignore[no-untyped-def]
    return summarise(report(*findings), Settings().is_test)


def test_numbers() -> None:
    result = summary(port())
    assert (result.uses, result.rewritten, result.people, result.blocked, result.unknown) == (25, 19, 3, 2, 1)
    assert headline(result) == (
        "porter rewrites 19 of 25 CUDA uses (76 %); 3 need a person; 2 are blocked; 1 is unknown to porter."
    )
    assert result.verdicts[Verdict.PORTABLE] == 1
    assert sum(group.count for group in result.families) == sum(group.count for group in result.hot_files) == 25


def test_what_porter_does_not_write_is_not_claimed() -> None:
    by_hand = msgspec.structs.replace(use("config.yaml", Verdict.AUTO), fix=None)
    result = summary([use("a.py", Verdict.AUTO), by_hand])
    assert headline(result) == (
        "porter rewrites 1 of 2 CUDA uses (50 %); 1 more has a known replacement, to be written by hand."
    )
    assert result.effort_total == Span(1, 2)


def test_tests_are_counted_apart() -> None:
    result = summary(port())
    assert result.tests is not None
    assert (result.tests.count, result.tests.files) == (2, 1)
    assert all(not group.first.startswith("tests/") for group in result.blockers)


def test_a_repository_of_tests_alone_is_scored() -> None:
    result = summary([use("tests/test_a.py", Verdict.AUTO)])
    assert (result.uses, result.tests) == (1, None)


def test_what_needs_a_person_is_grouped_by_advice() -> None:
    result = summary(port())
    [blocker] = result.blockers
    assert (blocker.title, blocker.count, blocker.first) == ("attention-implementation", 2, "src/model.py:1")
    assert blocker.symbols == {"flash_attn.flash_attn_func": 2}
    streams, parallel = result.decisions
    assert (streams.count, set(streams.symbols)) == (2, {"torch.cuda.Stream", "torch.cuda.Event"})
    assert parallel.advice == "Start one process per device."


@pytest.mark.parametrize(
    ("part", "whole", "share"), [(0, 0, "0 %"), (1, 1000, "1 %"), (999, 1000, "99 %"), (1000, 1000, "100 %")]
)
def test_percent_claims_neither_all_nor_nothing_by_rounding(part: int, whole: int, share: str) -> None:
    assert percent(part, whole) == share


def test_effort_counts_a_kind_once_in_full() -> None:
    blocked = [use("a.py", Verdict.BLOCKED, "PRT704"), use("a.py", Verdict.BLOCKED, "PRT704")]
    elsewhere = use("b.py", Verdict.BLOCKED, "PRT704")
    assert estimate(blocked[:1]) == Span(DAY, 5 * DAY)
    assert estimate(blocked) == Span(DAY + 1, 5 * DAY + 2)
    assert estimate([*blocked, elsewhere]) == Span(DAY + 1 + HOUR, 5 * DAY + 2 + 4 * HOUR)


def test_effort_takes_the_dearest_place_first_whatever_the_order() -> None:
    cheap = msgspec.structs.replace(use("a.py", Verdict.BLOCKED), effort=Effort.MINUTES)
    dear = use("b.py", Verdict.BLOCKED)
    assert estimate([cheap, dear]) == estimate([dear, cheap]) == Span(DAY + 2, 5 * DAY + 10)


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (Span(0, 0), "nothing"),
        (Span(2, 10), "2-10 minutes"),
        (Span(62, 250), "1-4 hours"),
        (Span(11 * HOUR, 40 * HOUR), "1.5-5 days"),
        (Span(100 * DAY, 500 * DAY), "100-500 days"),
    ],
)
def test_effort_in_words(span: Span, text: str) -> None:
    assert str(span) == text


@pytest.mark.parametrize("width", [100, 60])
def test_text(snapshot: SnapshotAssertion, width: int) -> None:
    problem = Problem("old/setup.py", "is not Python 3: missing parentheses", 3)
    out = "".join(terminal.render(report(*port(), problems=(problem,)), view(width=width)))
    assert max(map(len, out.splitlines())) <= width
    assert out == snapshot


def test_text_in_colour_says_the_same() -> None:
    plain = "".join(terminal.render(report(*port()), view(width=120)))
    colored = re.sub(r"\x1b\[[0-9;]*m|[━─]", "", "".join(terminal.render(report(*port()), view(width=120, color=True))))
    assert colored.split() == plain.replace("─", "").split()


def test_text_of_a_clean_repository(snapshot: SnapshotAssertion) -> None:
    assert "".join(terminal.render(report(), view())) == snapshot


def test_markdown(snapshot: SnapshotAssertion) -> None:
    assert "".join(markdown.render(report(*port()), view())) == snapshot


def test_json_holds_summary_and_all_findings() -> None:
    data = msgspec.json.decode("".join(scan_json.render(report(*port()), view())))
    assert data["summary"]["uses"] == 25
    assert data["summary"]["effort_total"]["low"] > 0
    assert len(data["findings"]) == len(port())
    assert "seconds" not in data["summary"]  # the same input gives the same bytes
