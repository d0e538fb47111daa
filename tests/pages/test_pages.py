"""Pages that are made are up to date, whole, and say what `porter explain` says."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from porter import catalog, rules
from porter.cli import main
from porter.report.pages import NOTICE
from tests.pages.make import DOCS, ROOT, made, strays

MADE = dict(made())
PAGES = [path for path in MADE if path.suffix == ".md"]
MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", MADE, ids=name_of)
def test_nothing_is_stale(path: Path) -> None:
    assert path.exists(), "run `make docs`"
    assert path.read_text(encoding="utf-8") == MADE[path], "run `make docs`"


def test_nothing_is_left_over() -> None:
    assert strays(set(MADE)) == []


def test_there_is_a_page_for_every_rule_and_every_family_of_the_catalogue() -> None:
    names = {path.relative_to(DOCS).as_posix() for path in PAGES}
    assert {f"rules/{name}.md" for name in rules.load()} <= names
    assert {f"catalogue/{path.stem}.md" for path in catalog.toml_files()} <= names


def anchors(path: Path) -> set[str]:
    """The anchors of a page, as GitHub names them."""
    found: dict[str, int] = {}
    named = set()
    tokens = MARKDOWN.parse(MADE[path])
    for token, inside in pairwise(tokens):
        if token.type == "heading_open":
            text = "".join(child.content for child in inside.children or () if child.type in ("text", "code_inline"))
            slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            named.add(f"{slug}-{found[slug]}" if slug in found else slug)
            found[slug] = found.get(slug, 0) + 1
    return named


def links(path: Path) -> list[str]:
    """The links of a page to other pages."""
    inner = [child for token in MARKDOWN.parse(MADE[path]) for child in token.children or ()]
    found = [str(token.attrs["href"]) for token in inner if token.type == "link_open"]
    return [link for link in found if not link.startswith("http")]


def test_links_lead_somewhere() -> None:
    known = {path: anchors(path) for path in PAGES}
    followed = 0
    for path in PAGES:
        for link in links(path):
            target, _, anchor = link.partition("#")
            page = (path.parent / target).resolve()
            assert page in known, f"{name_of(path)}: {link}"
            assert not anchor or anchor in known[page], f"{name_of(path)}: {link}"
            followed += 1
    assert followed > len(list(catalog.load().rows()))


@pytest.mark.parametrize("rule", rules.load().values(), ids=lambda rule: rule.name)
def test_explain_shows_the_same(rule: rules.base.Rule, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--isolated", rule.code]) == 0
    page = MADE[DOCS / "rules" / f"{rule.name}.md"].removeprefix(NOTICE)
    assert re.sub(r"\[(`[^`]+`)\]\([^)]+\)", r"\1", page) == capsys.readouterr().out


def test_explain_shows_a_row_as_the_catalogue_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--isolated", "torch.cuda.empty_cache"]) == 0
    page = MADE[DOCS / "catalogue" / "torch_memory.md"]
    said = capsys.readouterr().out.replace("\n## ", "\n### ").splitlines()[2:]
    section = page.split("## `torch.cuda.empty_cache`\n\n")[1].split("\n\n## `")[0].splitlines()
    assert re.sub(r"\[([\w-]+)\]\([^)]+\)", r"\1", section[0]) == said[0]
    assert section[1:] == said[1:]


def test_a_page_shows_what_becomes_of_code() -> None:
    page = MADE[DOCS / "rules" / "hardcoded-cuda-device.md"]
    assert "# PRT101 auto" in page
    assert "## What it leaves alone" in page
    shown = [path for path in PAGES if "\nbecomes\n" in MADE[path].partition("## What it reports")[2]]
    assert len(shown) > 25


def test_pages_hold_no_raw_html() -> None:
    for path in PAGES:
        for token in MARKDOWN.parse(MADE[path].removeprefix(NOTICE)):
            inner = [token, *(token.children or ())]
            assert not [t.content for t in inner if t.type in ("html_block", "html_inline")], name_of(path)
