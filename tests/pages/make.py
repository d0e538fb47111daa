"""What ``make docs`` makes: the cases that pages of rules show, and the pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from porter import catalog, rules
from porter.report.cases import FILE, CaseFile, Cases
from porter.report.pages import pages
from porter.report.stream import dump
from tests.literate import Case, File, parse

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
MOST = {"Hit": 3, "Near miss": 1, "Guard": 1}  # cases of each heading that a page shows
LONGEST = 45  # lines of a case; longer ones are shown only where a heading has no other
COMMENTS = {"cpp": "//", "cuda": "//", "json": None}  # "#" elsewhere
FENCES = {"ipynb-py": "py", "slurm": "sh"}


def made() -> Iterator[tuple[Path, str]]:
    """Every file that is made, with its text."""
    known = rules.load()
    cases = {name: found for name in known if (found := cases_of(name))}
    yield FILE, dump(cases)
    yield from ((DOCS / path, text) for path, text in pages(catalog.load(), tuple(known.values()), cases))


def cases_of(rule: str) -> Cases | None:
    """The cases of a rule that its page shows; None where it has no literate page."""
    page = ROOT / "tests" / "rules" / rules.load()[rule].module.split(".")[2] / f"{rule}.md"
    if not page.exists():
        return None
    found: dict[str, list[Case]] = {}
    for case in parse(page.read_text(encoding="utf-8")):
        if case.heading and case.heading[0] in MOST:
            found.setdefault(case.heading[0], []).append(case)
    shown = [case for heading, most in MOST.items() for case in choice(found.get(heading, []), most)]
    hits = [any(e.rule == rule for file in case.files for e in file.expected) for case in shown]
    return Cases(
        tuple(files_of(case) for case, hit in zip(shown, hits, strict=True) if hit),
        tuple(files_of(case) for case, hit in zip(shown, hits, strict=True) if not hit),
    )


def choice(cases: list[Case], most: int) -> list[Case]:
    """The first short cases, and the first of all if there is no short one."""
    short = [case for case in cases if sum(file.text.count("\n") for file in case.files) <= LONGEST]
    return (short or cases[:1])[:most]


def files_of(case: Case) -> tuple[CaseFile, ...]:
    several = len(case.files) > 1
    return tuple(shown(file, file.path if several else "") for file in case.files if file.language != "toml" or several)


def shown(file: File, path: str) -> CaseFile:
    """A file of a case as readers see it: what is found at the end of its line."""
    comment = COMMENTS.get(file.language, "#")
    told: dict[int, list[str]] = {}
    for expected in file.expected:
        code = rules.load()[expected.rule].code
        told.setdefault(expected.line, []).append(f"{code} {expected.verdict or ''}".rstrip())
    lines = file.text.splitlines()
    findings: tuple[str, ...] = ()
    if comment is None:
        findings = tuple(f"line {line}: {', '.join(codes)}" for line, codes in told.items())
    else:
        for line, codes in told.items():
            lines[line - 1] += f"  {comment} {', '.join(codes)}"
    after = file.fixed["neuron"].text if "neuron" in file.fixed else None
    before = "\n".join(lines) + "\n"
    language = FENCES.get(file.language, file.language)
    return CaseFile(language, before, after if after != file.text else None, path, findings)


def write() -> list[Path]:
    """Write what is made, and remove pages that nothing makes any more. Returns what has changed."""
    files = dict(made())
    changed = []
    for path, text in files.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
            changed.append(path)
    for page in strays(set(files)):
        page.unlink()
        changed.append(page)
    return changed


def strays(files: set[Path]) -> list[Path]:
    """Pages beside those that are made."""
    return [page for folder in ("rules", "catalogue") for page in (DOCS / folder).glob("*.md") if page not in files]
