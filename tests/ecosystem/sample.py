"""Samples for judging by hand: findings, dismissals and hunks, each with its source, as Markdown with boxes to tick.

Drawn with a seed and from every project in turn: a project with ten thousand kernels must not crowd out the others.
"""

from __future__ import annotations

import difflib
import itertools
import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from porter.model import Dismissal, Finding
from tests.ecosystem.invariants import Proof
from tests.ecosystem.truth import decode

T = TypeVar("T")
CONTEXT = 4  # lines before and after


def write_samples(
    folder: Path, proofs: Sequence[tuple[str, Path, Proof]], findings: int, hunks: int, seed: int
) -> None:
    """Write ``findings.md``, ``dismissals.md`` and ``hunks.md``."""
    found = [[(name, tree, finding) for finding in proof.report.findings] for name, tree, proof in proofs]
    explained = [[(name, tree, dismissal) for dismissal in proof.report.dismissed] for name, tree, proof in proofs]
    edited = [[(name, hunk) for hunk in all_hunks(proof)] for name, _, proof in proofs]
    write(folder / "findings.md", (about_finding(*item) for item in draw(found, findings, seed)))
    write(folder / "dismissals.md", (about_dismissal(*item) for item in draw(explained, findings, seed)))
    write(folder / "hunks.md", (f"{name}\n\n```diff\n{hunk}```" for name, hunk in draw(edited, hunks, seed)))


def draw(groups: list[list[T]], count: int, seed: int) -> list[T]:
    """``count`` of the items, one of every group in turn, the same for the same seed."""
    chance = random.Random(seed)
    shuffled = [chance.sample(group, len(group)) for group in groups]
    turns = itertools.chain.from_iterable(itertools.zip_longest(*shuffled))
    return list(itertools.islice((item for item in turns if item is not None), count))


def write(path: Path, entries: Iterator[str]) -> None:
    """One numbered entry with a box for each."""
    path.write_text("\n".join(f"## [ ] {number}. {entry}\n" for number, entry in enumerate(entries, start=1)))


def about_finding(name: str, tree: Path, finding: Finding) -> str:
    """A finding as its reader sees it, with the source around it."""
    title = f"{name} `{finding.path}:{finding.line}:{finding.column}` {finding.code} {finding.name}"
    lines = [title, f"**{finding.verdict}** {finding.message}"]
    lines += [finding.advice] if finding.advice else []
    for edit in finding.fix.edits if finding.fix else ():
        lines.append(f"- writes `{edit.text}`" if edit.text else "- deletes")
    return "\n\n".join(lines) + "\n\n" + excerpt(tree / finding.path, finding.cell, finding.line, finding.end_line)


def about_dismissal(name: str, tree: Path, dismissal: Dismissal) -> str:
    """A dismissal with the source around it."""
    title = f"{name} `{dismissal.path}:{dismissal.line}` **{dismissal.reason}** `{dismissal.text.splitlines()[0][:80]}`"
    return title + "\n\n" + excerpt(tree / dismissal.path, dismissal.cell, dismissal.line, dismissal.line)


def excerpt(path: Path, cell: int | None, first: int, last: int) -> str:
    """The lines ``first`` to ``last`` and a few around them, marked and numbered."""
    text = decode(path.read_bytes())
    if cell is not None:
        text = "".join(json.loads(text)["cells"][cell]["source"])
    lines = list(enumerate(text.splitlines(), start=1))[max(0, first - 1 - CONTEXT) : last + CONTEXT]
    marked = (f"{'>' if first <= number <= last else ' '} {number:5} {line}" for number, line in lines)
    return "```\n" + "\n".join(marked) + "\n```"


def all_hunks(proof: Proof) -> Iterator[str]:
    """Every hunk of a project's patch, each with its file."""
    for change in proof.changes:
        before, after = (decode(content).splitlines(keepends=True) for content in (change.before, change.after))
        hunk: list[str] = []
        for line in difflib.unified_diff(before, after, change.path, change.path, n=CONTEXT):
            if line.startswith("@@") and hunk:
                yield "".join(hunk)
                hunk = []
            if not line.startswith(("--- ", "+++ ")):
                hunk.append(f"{change.path} {line}" if line.startswith("@@") else line)
        if hunk:
            yield "".join(hunk)
