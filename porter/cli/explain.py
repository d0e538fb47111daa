"""``porter explain``: the page of a rule, or what every target makes of a CUDA symbol."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from porter.cli.options import plain_failures
from porter.cli.output import colored, emit, width
from porter.model import Verdict

if TYPE_CHECKING:
    from porter.catalog import Catalogue

MOST = 8  # rows told in full; more are listed by name
WIDEST = 100


@click.command("explain", short_help="Explain a rule, or what a CUDA symbol becomes on every target.")
@click.argument("word", metavar="[CODE|NAME|SYMBOL]", required=False)
@click.option("--format", "format_", type=click.Choice(("text", "json")), default="text", help="[default: text]")
@click.option("--config", type=click.Path(exists=True, dir_okay=False), metavar="FILE", help="Settings to use.")
@click.option("--isolated", is_flag=True, help="Ignore all settings files.")
@click.option("--color", type=click.Choice(("auto", "always", "never")), default="auto", help="[default: auto]")
@plain_failures
def command(word: str | None, format_: str, config: str | None, isolated: bool, color: str) -> None:
    """Explain a rule by its code or name, or a CUDA symbol, package, variable or string.

    \b
    porter explain PRT303
    porter explain torch.cuda.empty_cache
    porter explain flash-attn
    porter explain CUDA_VISIBLE_DEVICES

    Without an argument all rules are listed.
    """
    from porter import catalog
    from porter.config import load
    from porter.report.stream import dump

    settings = load(".", config, isolated=isolated)
    text, data = _answer(word, catalog.load([Path(file) for file in settings.catalogue]))
    emit([dump(data)] if format_ == "json" else [_shown(text) if colored(color, sys.stdout) else text])


def _answer(word: str | None, catalogue: Catalogue) -> tuple[str, Any]:
    """The page, and the same as plain data."""
    from porter import rules
    from porter.report import cases, explain, lookup

    known = list(rules.load().values())
    if word is None:
        return explain.rules_page(known), [explain.rule_data(rule, ()) for rule in known]
    for rule in known:
        if word.upper() == rule.code or word.lower() == rule.name:
            rows = [row for row in catalogue.rows() if row.rule == rule.name]
            return explain.rule_page(rule, rows, cases.load().get(rule.name)), explain.rule_data(rule, rows)
    word = lookup.bare(word)
    rows = lookup.find(catalogue, word)
    if not rows:
        near = lookup.near(catalogue, word)
        return explain.unknown_page(word, near), {"name": word, "near": near}
    pages = [explain.row_page(row, word, catalogue, known) for row in rows[:MOST]]
    if all(row.neuron.verdict is Verdict.UNKNOWN for row in rows):
        pages.append(explain.near_names(lookup.near(catalogue, word)))
    if len(rows) > MOST:
        pages.append("More of that name: " + ", ".join(f"`{row.name}`" for row in rows[MOST:]) + "\n")
    return "\n".join(pages), [explain.row_data(row, catalogue) for row in rows]


def _shown(markdown: str) -> str:
    """Markdown as a terminal shows it."""
    from rich.console import Console
    from rich.markdown import Markdown

    columns = min(width(), WIDEST)
    console = Console(width=columns, height=100, force_terminal=True, color_system="standard", legacy_windows=False)
    with console.capture() as capture:
        console.print(Markdown(markdown))
    return capture.get()
