"""The comment for a pull request: short, safe, and never too long."""

from __future__ import annotations

import re

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from syrupy.assertion import SnapshotAssertion

from porter.engine import Report
from porter.model import Problem, Verdict
from porter.report import markup
from porter.report.comment import LIMIT
from tests.cli.sample import finding
from tests.report.sample import shown

MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table")
OURS = {
    *("<details>", "</details>", "<summary>", "</summary>", "<sub>", "</sub>", "<code>", "</code>"),
    "<!-- porter check -->",
}
EVIL = (
    "</details><script>alert(1)</script>`` ` <!-- @team #1 ![x](http://e.example/y) [a](b) |"
    " ~~s~~ **b** \\\n# h\n\n- x.py"
)


def html_of(text: str) -> set[str]:
    """The raw HTML in a comment, as GitHub would find it."""
    found = set()
    for token in MARKDOWN.parse(text):
        for part in (token, *(token.children or ())):
            if part.type in ("html_block", "html_inline"):
                found |= set(re.findall(r"<[^>]*>", part.content))
            assert part.type not in ("image", "link_open") or not part.attrs
    return found


def test_the_sample(report: Report, snapshot: SnapshotAssertion) -> None:
    text = shown("markdown", report)
    assert text == snapshot
    assert html_of(text) <= OURS


def test_nothing_found(here: object) -> None:
    text = shown("markdown", Report(files=3))
    assert "no CUDA use that neuron cannot take" in text
    assert "<details>" not in text


def test_names_and_code_stay_text() -> None:
    one = finding("a.py", "t.cuda()\n", "t.cuda()", verdict=Verdict.MANUAL)
    bad = msgspec.structs.replace(one, path=EVIL, message=f"`{EVIL}` and {EVIL}", advice=f"{EVIL} Then `{EVIL}`.")
    text = shown("markdown", Report(findings=[bad], problems=[Problem(EVIL, EVIL)]))
    assert html_of(text) <= OURS
    assert text.count("\n### ") == 1
    outside = "".join(
        child.content for token in MARKDOWN.parse(text) for child in token.children or () if child.type == "text"
    )
    assert not re.search(r"@\w|#\w", outside), "nobody is called"


@given(st.text())
def test_a_code_span_is_one(words: str) -> None:
    [paragraph] = [token for token in MARKDOWN.parse(f"- {markup.code(words)} end") if token.type == "inline"]
    assert [child.type for child in paragraph.children or ()] == ["code_inline", "text"]


@given(st.text())
def test_prose_is_text_and_code(words: str) -> None:
    [paragraph] = [token for token in MARKDOWN.parse(f"- so: {markup.text(words)}") if token.type == "inline"]
    assert {child.type for child in paragraph.children or ()} <= {"text", "code_inline", "text_special"}


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_a_row_has_as_many_cells(cells: list[str]) -> None:
    titles = markup.row(["x"] * len(cells)) + "\n" + markup.row(["---"] * len(cells)) + "\n"
    tokens = MARKDOWN.parse(titles + markup.row(markup.code(cell) for cell in cells))
    assert sum(token.type == "td_open" for token in tokens) == len(cells)


def test_a_long_one_is_cut_and_says_so() -> None:
    text = "t.cuda()\n"
    one = finding("a.py", text, "t.cuda()", advice="Do this. And that.")
    wide = msgspec.structs.replace(one, message="`日本` " * 20)
    found = [msgspec.structs.replace(wide, path=f"dir/日本{i // 30}.py", line=i) for i in range(20_000)]
    comment = shown("markdown", Report(findings=found))
    assert LIMIT - 1000 < len(comment.encode()) <= LIMIT
    listed = comment.count("\n- ") - 1
    [rest] = re.findall(r"and ([\d,]+) more findings, for which a comment has no room", comment)
    assert listed + int(rest.replace(",", "")) == 20_000
    assert "20,000 findings fail, in 667 files" in comment
    assert comment.endswith("</sub>\n")
    assert html_of(comment) <= OURS
