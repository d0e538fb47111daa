"""The pages of the documentation that are made, not written: one per rule, one per file of the catalogue.

They say what ``porter explain`` says, in the same words, with links from one to the other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from porter.catalog import Catalogue, toml_files
from porter.catalog.schema import CatalogueFile
from porter.model import TARGETS, Verdict
from porter.report import markup
from porter.report.cases import Cases
from porter.report.explain import row_page, rule_page, rules_page
from porter.report.lookup import placeless
from porter.rules.base import Rule

NOTICE = "<!-- Made by `make docs`: change the rule, its cases or the catalogue instead. -->\n\n"
_NO_SLUG = re.compile(r"[^\w\- ]")


def pages(catalogue: Catalogue, rules: Sequence[Rule], cases: Mapping[str, Cases]) -> Iterator[tuple[str, str]]:
    """Every page as its path below ``docs/`` and its text. ``catalogue`` is the built-in one."""
    books = [Book(path.stem, file) for path, file in zip(toml_files(), catalogue.files, strict=True)]
    links = {id(row): f"../catalogue/{book.stem}.md#{book.slugs[id(row)]}" for book in books for row in book.file.row}
    yield "rules/README.md", NOTICE + rules_page(rules, lambda rule: f"{rule.name}.md")
    for rule in rules:
        rows = [row for row in catalogue.rows() if row.rule == rule.name]
        page = rule_page(rule, rows, cases.get(rule.name), lambda row: links[id(row)])
        yield f"rules/{rule.name}.md", NOTICE + page
    yield "catalogue/README.md", NOTICE + "\n".join(_contents(books)) + "\n"
    for book in books:
        yield f"catalogue/{book.stem}.md", NOTICE + "\n".join(book.lines(catalogue, rules)) + "\n"


class Book:
    """The page of one file of the catalogue."""

    def __init__(self, stem: str, file: CatalogueFile) -> None:
        self.stem, self.file = stem, file
        seen: Counter[str] = Counter()
        self.slugs: dict[int, str] = {}  # by identity of the row
        for row in file.row:
            slug = _NO_SLUG.sub("", placeless(row.name).lower()).replace(" ", "-")
            self.slugs[id(row)] = f"{slug}-{seen[slug]}" if seen[slug] else slug
            seen[slug] += 1

    def lines(self, catalogue: Catalogue, rules: Sequence[Rule]) -> Iterator[str]:
        """The lines of the page: a section per row, as `porter explain` shows the row."""
        yield f"# {self.file.title}"
        yield ""
        checked = [f"{target} against {versions}" for target, versions in self.file.checked.items()]
        yield f"{len(self.file.row)} rows. Checked: {'; '.join(checked)}. See [how to read a row](README.md)."
        for row in self.file.row:
            _, _, body = row_page(row, row.name, catalogue, rules).partition("\n")
            body = re.sub(r"^## ", "### ", body, flags=re.MULTILINE)
            name = f"{row.rule}."
            yield ""
            yield f"## {markup.code(placeless(row.name))}"
            yield body.replace(name, f"[{row.rule}](../rules/{row.rule}.md).", 1).rstrip("\n")


def _contents(books: Sequence[Book]) -> Iterator[str]:
    yield "# Catalogue"
    yield ""
    yield "What porter knows about CUDA: one section per construct, with the answer of every target, how well it is"
    yield "known (A vendor documentation or shipped code, B source from before the beta, C third-party report,"
    yield "D inference), from where, and the versions it was checked against. `porter explain NAME` shows the same."
    yield ""
    shown = tuple(Verdict)
    yield markup.row(("family", "rows", *(f"{v}" for v in shown)))
    yield markup.row(("---", "---:", *("---:" for _ in shown)))
    for book in books:
        counts = Counter(row.neuron.verdict for row in book.file.row)
        title = f"[{book.file.title}]({book.stem}.md)"
        yield markup.row((title, str(len(book.file.row)), *(str(counts[v] or "-") for v in shown)))
    yield ""
    yield f"Verdicts are those for the target {TARGETS[0]}."
